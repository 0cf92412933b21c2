"""Evaluations of models on benchmarks: completions stored once for all runs, graded, published with their summary."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ufo_rl.evaluation.benchmark import Row, judge, summarise
from ufo_rl.files.atomic import locked, manifest, publish, write_json, writing
from ufo_rl.files.environment import versions
from ufo_rl.files.keys import digest
from ufo_rl.files.store import KEY, SignalStore, sample_key
from ufo_rl.grader.math.answer import VERSION as GRADER_VERSION
from ufo_rl.grader.math.answer import Grader
from ufo_rl.launch.context import RunContext
from ufo_rl.launch.progress import Progress
from ufo_rl.model.engine import sample_seed
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.model.weights import fingerprint
from ufo_rl.records import Prompt
from ufo_rl.signals.costs import total

log = logging.getLogger(__name__)
VERSION = 1  # raise it when completions of the same model and text change: old ones are then no longer found
COLUMNS = ("id", "sample", "completion", "generated_tokens", "finish", "made_with", "seconds")
TEXTS = ("question", "prompt", "completion")  # columns that no summary needs
BLOCK = 512  # completions that are graded at a time
MADE_WITH = ("torch", "transformers", "vllm")  # packages whose versions are kept with each completion


class Evaluations:
    """What a run measures on its benchmarks (`questions` by name); each evaluation is made once and shared."""

    def __init__(self, run: RunContext, questions: Mapping[str, Sequence[Prompt]]) -> None:
        self.run, self.questions = run, questions

    def base(self, name: str) -> dict[str, Any]:
        """The untrained model on a benchmark, evaluated once for all runs, in the cache."""
        folder, found = self.of(name, "base_eval", self.run.model_folder, "before training")
        write_json(
            self.run.folder / "base_eval" / f"{name}.json",
            {"cache": str(folder.relative_to(self.run.config.paths.outputs)), **found},
        )
        self.run.record("base_eval", benchmark=name, step=0, **_numbers(found))
        return found

    def final(self, name: str, model: Path, step: int, when: str = "") -> dict[str, Any]:
        """The model in `model`, trained for `step` steps, on a benchmark; the run folder keeps a copy."""
        cached, found = self.of(name, "eval", model, when)
        folder = self.run.folder / "eval" / name
        if manifest(folder) != found:
            with publish(folder) as (temporary, content):
                shutil.copy2(cached / "questions.parquet", temporary)
                content |= found
        self.run.record("eval", benchmark=name, step=step, **_numbers(found))
        self.run.tracker.questions(name, folder / "questions.parquet")
        return found

    def of(self, name: str, stage: str, model: Path, when: str = "") -> tuple[Path, dict[str, Any]]:
        """The published evaluation of the model in `model`: its folder and its summary."""
        model_id = fingerprint(model, self.run.cache / "fingerprints.json")
        store = SignalStore(self.run.cache / "completions", name, self.said_by(name, model_id))
        self.run.keys.add((stage, store.key))
        prompts = self.questions[name]
        grader = [
            GRADER_VERSION,
            self.run.plain["reward"]["grader"],
            self.run.plain["eval"][name]["relative_tolerance"],
        ]
        identity = {
            **store.identity,
            "num_samples": self.run.config.eval[name].num_samples,
            "questions": digest(
                [[p.id, self.run.render(p, self._shots(name)), p.answer, p.level, p.subject] for p in prompts]
            ),
            "size": self.run.config.eval[name].size,
            "grader": grader,
        }
        folder = self.run.cache / "evaluations" / f"{name}-{digest(identity)}"
        with locked(folder.parent / f"{folder.name}.lock", f"the evaluation on {name}"):
            found = manifest(folder)
            words = " ".join(filter(None, [name, when]))
            if found is None:
                found = self._evaluate(name, stage, model, store, folder, identity)
                log.info("%s: %s", words, in_words(found))
            else:
                log.info("%s: %s (stored)", words, in_words(found))
        return folder, found

    def said_by(self, name: str, model_id: dict[str, str]) -> dict[str, Any]:
        """What the completions of a text depend on."""
        benchmark, config = self.run.config.eval[name], self.run.config
        return {
            "version": VERSION,
            "model": model_id,
            "dtype": config.model.dtype,
            "engine": decides(config.engine.name, config.engine.vllm),
            "max_completion_tokens": benchmark.max_completion_tokens,
            "temperature": benchmark.temperature,
            "seed": benchmark.seed if benchmark.temperature > 0 else None,
        }

    def _shots(self, name: str) -> Sequence[Any]:
        return self.run.config.eval[name].few_shot

    def _rows(self, name: str) -> Iterator[tuple[Prompt, dict[str, Any]]]:
        """Every completion that is asked for: prompt and request, in the order of the questions and their samples."""
        benchmark = self.run.config.eval[name]
        for prompt in self.questions[name]:
            text = self.run.render(prompt, self._shots(name))
            key = digest([text])
            for sample in range(benchmark.num_samples):
                seed = sample_seed(benchmark.seed, prompt.id, sample)
                row = {KEY: sample_key(key, sample), "id": prompt.id, "sample": sample, "text": text, "seed": seed}
                yield prompt, row

    def _evaluate(
        self, name: str, stage: str, model: Path, store: SignalStore, folder: Path, identity: dict[str, Any]
    ) -> dict[str, Any]:
        said = self._completions(name, stage, model, store)
        benchmark, config = self.run.config.eval[name], self.run.config
        limits = config.reward.grader
        grader = Grader(limits.time_limit_s, limits.max_chars, benchmark.relative_tolerance)
        try:
            with publish(folder) as (temporary, content):
                rows = self._graded(name, said, grader, temporary / "questions.parquet")
                content |= summarise(name, benchmark, len(self.questions[name]), rows, grader.same)
                content |= {
                    "identity": identity,
                    "model": str(model),
                    "batch": _made_with(said),
                    "versions": versions(),
                    "seconds": total(said, "seconds"),
                }
        finally:
            grader.close()
        return content

    def _completions(self, name: str, stage: str, model: Path, store: SignalStore) -> pa.Table:
        """The stored completions, in the order of `_rows`; those that are missing are generated first."""
        benchmark, config = self.run.config.eval[name], self.run.config
        store.create()
        with locked(store.lock_path, f"the completions of {name}"):
            stored = store.keys()
            keys = [row[KEY] for _, row in self._rows(name)]
            missing = [key for key in keys if key not in stored]
            if missing:
                wanted, num_asked = set(missing), len(keys)
                self.run.spool(stage, (row for _, row in self._rows(name) if row[KEY] in wanted))
                log.info("%s: generating %d of %d completions", name, len(missing), num_asked)
                found = versions()
                made_with = {
                    "engine": config.engine.name,
                    "batch_tokens": config.engine.batch_tokens,
                    "num_ranks": config.launch.num_ranks,
                    **{package: found[package] for package in MADE_WITH if package in found},
                }
                self.run.stage(
                    stage,
                    "completions",
                    store.key,
                    model=str(model),
                    store=str(store.folder),
                    temperature=benchmark.temperature,
                    max_completion_tokens=benchmark.max_completion_tokens,
                    num_completions=len(missing),
                    made_with=made_with,
                )
                store.compact()
        return store.read(keys, COLUMNS)

    def _graded(self, name: str, said: pa.Table, grader: Grader, path: Path) -> list[Row]:
        """Grade and write all rows, a block at a time; returns them without their texts."""
        rows, kept = self._rows(name), []
        with closing(Progress(f"grading {name}")) as progress, writing(path) as unfinished, ExitStack() as stack:
            writer: pq.ParquetWriter | None = None
            for start in range(0, len(said), BLOCK):
                completions = said.slice(start, BLOCK).to_pylist()
                asked = [(prompt, row["text"]) for prompt, row in (next(rows) for _ in completions)]
                table = pa.Table.from_pylist(list(judge(asked, completions, grader.grade_all)))
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
