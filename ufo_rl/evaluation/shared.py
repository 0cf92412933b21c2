"""Evaluations of models on benchmarks: completions stored once for all runs, graded, published with their summary."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ufo_rl.config.build import build
from ufo_rl.config.schema import Benchmark, EngineConfig, Seam, Shot
from ufo_rl.evaluation.benchmark import GradedRow, judge, open_grader, summarise
from ufo_rl.evaluation.rank import CompletionsRequest
from ufo_rl.files.atomic import locked, manifest, publish, write_json, writing
from ufo_rl.files.environment import versions
from ufo_rl.files.keys import digest
from ufo_rl.files.store import KEY, Store, sample_key, total
from ufo_rl.grader import Grader, grader_id
from ufo_rl.launch.progress import Progress
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.engine import sample_seed
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.records import Prompt

log = logging.getLogger(__name__)
VERSION = 1  # raise it when completions of the same model and text change: old ones are then no longer found
COLUMNS = ("id", "sample", "completion", "generated_tokens", "finish", "made_with", "seconds")
TEXTS = ("question", "prompt", "completion")  # columns that no summary needs
BLOCK = 512  # completions that are graded at a time
MADE_WITH = ("torch", "transformers")  # packages whose versions are kept with each completion


@dataclass(frozen=True)
class Asked:
    """A benchmark that is asked: its settings, its questions, and who grades them.

    grader: its YAML node, grader_id: what its verdicts depend on, grader_columns: the dataset columns that it reads. drawn: the
    worked examples of each question by its id, where each has its own."""

    settings: Benchmark
    questions: Sequence[Prompt]
    grader: Seam
    grader_id: list[Any]
    grader_columns: tuple[str, ...]
    plugins: Sequence[str]
    drawn: Mapping[str, Sequence[Shot]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        settings: Benchmark,
        questions: Sequence[Prompt],
        grader: Seam,
        plugins: Sequence[str],
        drawn: Mapping[str, Sequence[Shot]],
    ) -> Asked:
        """A benchmark graded by its own grader, or else by the run's."""
        node = settings.grader or grader
        built = build(node, "grader", plugins)
        return cls(settings, questions, node, grader_id(node, built), tuple(built.columns), plugins, drawn)

    def render(self, prompt: Prompt, chat: ChatModel) -> str:
        """What the model reads: the question behind its worked examples."""
        return chat.render(prompt, self.drawn.get(prompt.id, self.settings.few_shot))

    def questions_key(self, chat: ChatModel) -> str:
        """What verdicts depend on of the questions: texts, answers, labels, and the columns that the grader reads."""
        return digest(
            [
                [
                    *(p.id, self.render(p, chat), p.answer, p.level, p.subject),
                    *([{name: p.columns[name] for name in self.grader_columns}] if self.grader_columns else []),
                ]
                for p in self.questions
            ]
        )

    def requests(self, chat: ChatModel) -> Iterator[tuple[Prompt, dict[str, Any]]]:
        """Every completion that is asked for: prompt and request, in the order of the questions and their samples."""
        for prompt in self.questions:
            text = self.render(prompt, chat)
            key = digest([text])
            for sample in range(self.settings.num_samples):
                seed = sample_seed(self.settings.seed, prompt.id, sample)
                row = {KEY: sample_key(key, sample), "id": prompt.id, "sample": sample, "text": text, "seed": seed}
                yield prompt, row


class Evaluations:
    """Models on benchmarks (`asked` by name), in the way that `chat` is asked; each evaluation is made once and shared.

    cache: folder of what all runs share. dtype, engine: how completions are generated.
    """

    def __init__(
        self, asked: Mapping[str, Asked], chat: ChatModel, engine: EngineConfig, cache: Path, stages: Stages
    ) -> None:
        self.asked, self.chat, self.engine, self.cache, self.stages = asked, chat, engine, cache, stages

    def chat_of(self, name: str) -> ChatModel:
        """The model as the benchmark asks it: by a template of its own, or else by the run's."""
        return self.chat.asked_by(self.asked[name].settings.template)

    def base(self, name: str) -> dict[str, Any]:
        """The untrained model on a benchmark, evaluated once for all runs, in the cache."""
        folder, found = self.of(name, "base_eval", self.chat.folder, "before training")
        write_json(
            self.stages.folder / "base_eval" / f"{name}.json",
            {"cache": str(folder.relative_to(self.cache.parent)), **found},
        )
        self.stages.record("base_eval", benchmark=name, step=0, **_numbers(found))
        return found

    def on_the_way(self, name: str, model: Path, step: int) -> dict[str, Any]:
        """The model in `model`, after `step` steps of a training that goes on."""
        when = f"after {step} steps"
        called = f"{self.stages.folder / 'train/policy'} {when}"  # it stands elsewhere for a while
        _, found = self.of(name, "eval", model, when, called)
        self.stages.record("eval", benchmark=name, step=step, **_numbers(found))
        return found

    def final(self, name: str, model: Path, step: int, when: str = "") -> dict[str, Any]:
        """The model in `model`, trained for `step` steps, on a benchmark; the run folder keeps a copy, in eval/NAME."""
        cached, found = self.of(name, "eval", model, when)
        folder = self.stages.folder / "eval" / name
        if manifest(folder) != found:
            with publish(folder) as (temporary, content):
                shutil.copy2(cached / "questions.parquet", temporary)
                content |= found
        self.stages.record("eval", benchmark=name, step=step, **_numbers(found))
        return found

    def of(self, name: str, stage: str, model: Path, when: str = "", called: str = "") -> tuple[Path, dict[str, Any]]:
        """The published evaluation of the model in `model`: its folder and its summary. called: what it is remembered as, its
        path unless said otherwise."""
        store, identity, folder = self.place(name, self.chat_of(name).id_of(model))
        self.stages.asks(stage, store.key)
        self.stages.uses(store.folder)
        self.stages.uses(folder)
        with locked(folder.parent / f"{folder.name}.lock", f"the evaluation on {name}"):
            found = manifest(folder)
            words = " ".join(filter(None, [name, when]))
            if found is None or found.get("stalled"):  # what a loaded machine kept from its verdict gets another try
                found = self._evaluate(name, stage, model, store, folder, identity, called or str(model))
                log.info("%s: %s", words, in_words(found))
                if found["stalled"]:
                    log.warning(
                        "%s: %d answers count as wrong because their grading stalled; it is tried again by the next "
                        "evaluation of this model",
                        words,
                        found["stalled"],
                    )
            else:
                log.info("%s: %s (stored)", words, in_words(found))
        return folder, found

    def place(self, name: str, model_id: dict[str, str]) -> tuple[Store, dict[str, Any], Path]:
        """Of a model on a benchmark, there or not: the store of its completions, what the evaluation depends on, its folder."""
        asked, settings, chat = self.asked[name], self.asked[name].settings, self.chat_of(name)
        store = Store.of(self.cache / "completions", name, self.said_by(name, model_id))
        identity = {
            **store.identity,
            "num_samples": settings.num_samples,
            "questions": asked.questions_key(chat),
            "size": settings.size,
            "grader": [*asked.grader_id, settings.relative_tolerance],
            **({"begun": chat.form.opened} if chat.form.opened else {}),
        }
        return store, identity, self.cache / "evaluations" / f"{name}-{digest(identity)}"

    def said_by(self, name: str, model_id: dict[str, str]) -> dict[str, Any]:
        """What the completions of a text depend on."""
        settings, stop = self.asked[name].settings, self.chat_of(name).template.stop
        return {
            "version": VERSION,
            "model": model_id,
            "dtype": self.chat.model.dtype,
            "engine": decides(self.engine.name, self.engine.vllm),
            "max_completion_tokens": settings.max_completion_tokens,
            "temperature": settings.temperature,
            "seed": settings.seed if settings.temperature > 0 else None,
            **({"stop": stop} if stop else {}),
        }

    def _evaluate(
        self, name: str, stage: str, model: Path, store: Store, folder: Path, identity: dict[str, Any], called: str
    ) -> dict[str, Any]:
        said = self._completions(name, stage, model, store)
        asked = self.asked[name]
        grader = open_grader(name, asked.settings, asked.grader, asked.plugins)
        try:
            with publish(folder) as (temporary, content):
                rows = self._graded(name, said, grader, temporary / "questions.parquet")
                content |= summarise(name, asked.settings, len(asked.questions), rows, grader.same, grader.normal_form)
                content |= {
                    "identity": identity,
                    "model": called,
                    "batch": _made_with(said),
                    "versions": versions(),
                    "seconds": total(said, "seconds"),
                }
        finally:
            grader.close()
        return content

    def _completions(self, name: str, stage: str, model: Path, store: Store) -> pa.Table:
        """The stored completions, in the order of `Asked.requests`; those that are missing are generated first."""
        asked, settings, chat = self.asked[name], self.asked[name].settings, self.chat_of(name)
        store.create()
        with locked(store.lock_path, f"the completions of {name}"):
            stored = store.keys()
            keys = [row[KEY] for _, row in asked.requests(chat)]
            missing = [key for key in keys if key not in stored]
            if missing:
                wanted, num_asked = set(missing), len(keys)
                self.stages.spool(stage, (row for _, row in asked.requests(chat) if row[KEY] in wanted))
                log.info("%s: generating %d of %d completions", name, len(missing), num_asked)
                request = CompletionsRequest(
                    model=model,
                    dtype=self.chat.model.dtype,
                    store=store.folder,
                    temperature=settings.temperature,
                    max_completion_tokens=settings.max_completion_tokens,
                    engine=self.engine,
                    made_with=self._making(),
                    stop=tuple(chat.template.stop),
                )
                owns_device = self.engine.name == "vllm"
                self.stages.run(stage, "ufo_rl.evaluation.rank.generate", request, store.key, owns_device)
                store.compact()
        return store.read(keys, COLUMNS)

    def _making(self) -> dict[str, Any]:
        """What is kept with each completion of how it was made."""
        return {
            "engine": self.engine.name,
            "batch_tokens": self.engine.batch_tokens,
            "num_ranks": self.stages.launch.num_ranks,
            **versions((*MADE_WITH, self.engine.name) if self.engine.name == "vllm" else MADE_WITH),
        }

    def _graded(self, name: str, said: pa.Table, grader: Grader, path: Path) -> list[GradedRow]:
        """Grade and write all rows, a block at a time; returns them without their texts."""
        chat, kept = self.chat_of(name), []
        rows, begun = self.asked[name].requests(chat), chat.form.opened
        with closing(Progress(f"grading {name}")) as progress, writing(path) as unfinished, ExitStack() as stack:
            writer: pq.ParquetWriter | None = None
            for start in range(0, len(said), BLOCK):
                completions = said.slice(start, BLOCK).to_pylist()
                asked = [(prompt, row["text"]) for prompt, row in (next(rows) for _ in completions)]
                table = pa.Table.from_pylist(list(judge(asked, completions, grader.grade_all, begun)))
                writer = writer or stack.enter_context(pq.ParquetWriter(unfinished, table.schema))
                writer.write_table(table)
                kept += table.drop_columns(list(TEXTS)).to_pylist()
                progress.update(len(kept), len(said), "answers")
        return kept


def in_words(found: dict[str, Any]) -> str:
    """The accuracy of a summary in a line."""
    share = f"{100 * found['accuracy']:.1f} % [{100 * found['ci_low']:.1f}, {100 * found['ci_high']:.1f}]"
    subset = " (subset)" if found["is_subset"] else ""
    if found["num_samples"] > 1:
        return f"avg@{found['num_samples']} {share} of {found['n']} questions{subset}"
    return f"{found['num_correct']} of {found['n']} right = {share}{subset}"


def _made_with(said: pa.Table) -> list[dict[str, Any]]:
    """What the completions were made with, and how many with each."""
    counts = said["made_with"].value_counts().to_pylist()
    return [{**json.loads(one["values"]), "completions": one["counts"]} for one in counts]


def _numbers(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if isinstance(v, int | float)}
