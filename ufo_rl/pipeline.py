"""One run: score, select, train, evaluate, record. Every stage is published once and found again by its key."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ufo_rl import artifacts
from ufo_rl.artifacts import manifest, publish, write_json
from ufo_rl.config import Config
from ufo_rl.dataset import count_drops, list_drops
from ufo_rl.environment import hardware
from ufo_rl.evaluations import Evaluations
from ufo_rl.journal import Journal, parse, seconds_spent
from ufo_rl.keys import digest
from ufo_rl.launch import run_stage
from ufo_rl.model import fetch, fingerprint, load_tokenizer
from ufo_rl.prepare import Prepared, check_batch
from ufo_rl.progress import Progress
from ufo_rl.prompts import accepts_system_role, messages, render
from ufo_rl.records import Drop, Prompt, UserError
from ufo_rl.selection import Selection, select
from ufo_rl.signal_cache import SignalCache
from ufo_rl.spool import write_rows
from ufo_rl.tables import score_table
from ufo_rl.tracking import Tracker

log = logging.getLogger(__name__)
MAX_LISTED_DROPS = 1000  # per reason; the counts are always whole
STAGE_ORDER = ("base_eval", "score", "pass_rate", "train", "eval")


class Pipeline:
    """The stages of one run, in the folder that the run has claimed.

    plain: the resolved configuration as it stands in config.yaml, what the ranks get. attempt: counts the starts of
    this run, so that the journal keeps them apart. enter: told the name of each stage that begins.
    """

    def __init__(
        self,
        config: Config,
        plain: dict[str, Any],
        folder: Path,
        prepared: Prepared,
        tracker: Tracker,
        attempt: int,
        enter: Callable[[str], None],
    ) -> None:
        self.config, self.plain, self.folder, self.prepared = config, plain, folder, prepared
        self.tracker, self.attempt, self.enter = tracker, attempt, enter
        self.cache = Path(config.paths.outputs) / "cache"
        self.keys: set[tuple[str, str]] = set()  # stage and key of what this run asked for
        self.prompts = prepared.pool.prompts
        self.drops = list(prepared.pool.drops)

    @cached_property
    def model_folder(self) -> Path:
        return fetch(self.config.model)

    @cached_property
    def model_id(self) -> dict[str, str]:
        return fingerprint(self.model_folder, self.cache / "fingerprints.json")

    @cached_property
    def tokenizer(self) -> Any:
        return load_tokenizer(self.model_folder)

    @cached_property
    def has_system_role(self) -> bool:
        return accepts_system_role(self.tokenizer)

    def run(self) -> dict[str, Any]:
        """All stages in order; returns and writes metrics.json."""
        Journal(self.journal, "run", self.attempt).write("begin")
        self.limit_prompts()
        self.write_pool()
        evaluations = Evaluations(self)
        base = {name: evaluations.base(name) for name in self.config.eval}
        signals = SignalCache(self)
        costs = {name: signals.collect(name) for name in self.prepared.selector.signals}
        selection = self.select(signals)
        trained = self.train(selection)
        final = {name: evaluations.final(name) for name in self.config.eval}
        metrics = {
            "num_pool": len(self.prompts),
            "num_selected": len(selection.ids),
            "ratio_effective": len(selection.ids) / len(self.prompts),
            "steps": trained["steps"],
            "epochs": trained["epochs"],
            "budget": f"steps={self.config.train.max_steps}"
            if self.config.train.max_steps
            else f"epochs={self.config.train.num_train_epochs:g}",
            "generated_tokens": trained["generated_tokens"],
            "signals": costs,
            "spearman": signals.correlation(),
            "seconds": self.seconds(),
        }
        metrics["gpu_hours"] = self.gpu_hours(metrics["seconds"])
        for name in self.config.eval:
            metrics |= {
                f"{name}_base": base[name]["accuracy"],
                f"{name}_final": final[name]["accuracy"],
                f"{name}_n": final[name]["n"],
                f"{name}_is_subset": final[name]["is_subset"],
            }
        write_json(self.folder / "metrics.json", metrics)
        shutil.rmtree(self.folder / ".work", ignore_errors=True)
        return metrics

    @property
    def journal(self) -> Path:
        return self.folder / "metrics.jsonl"

    def seconds(self) -> dict[str, float]:
        """Wall seconds of each stage of this run over all its attempts, and of the attempts in total."""
        spent = seconds_spent(parse(self.journal.read_bytes()), time.time())
        stages = {stage: 0.0 for stage, _ in self.keys}
        for stage, key in self.keys:
            stages[stage] += spent.stages.get((stage, key), 0.0)
        return {**{stage: stages[stage] for stage in STAGE_ORDER if stage in stages}, "total": spent.total}

    def gpu_hours(self, seconds: dict[str, float]) -> float | None:
        """Hours of GPU that the stages of this run held; None where they ran on CPUs."""
        if self.config.launch.device == "cpu" or not hardware()["gpus"]:
            return None
        return sum(seconds[stage] for stage in seconds if stage != "total") * self.config.launch.num_ranks / 3600

    def limit_prompts(self) -> None:
        """Prompts over train.max_prompt_tokens leave the pool before anything is measured, each listed."""
        limit = self.config.train.max_prompt_tokens
        if limit is None:
            return
        texts = [self.render(p) for p in self.prompts]
        lengths = [len(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]
        self.drops += [
            Drop("too_long", p.id, f"{n} tokens, train.max_prompt_tokens={limit}")
            for p, n in zip(self.prompts, lengths, strict=True)
            if n > limit
        ]
        self.prompts = [p for p, n in zip(self.prompts, lengths, strict=True) if n <= limit]
        if not self.prompts:
            raise UserError(
                f"train.max_prompt_tokens={limit} leaves no prompt: the shortest has {min(lengths)} tokens; raise it"
            )
        check_batch(self.config, self.prepared.selector, len(self.prompts))

    def write_pool(self) -> None:
        """What became of every row: pool.json with all counts and the first drops of each reason."""
        dropped = count_drops(self.drops)
        write_json(
            self.folder / "pool.json",
            {
                "rows": self.prepared.pool.num_rows,
                "prompts": len(self.prompts),
                "dropped": dropped,
                "drops": [vars(drop) for drop in list_drops(self.drops, MAX_LISTED_DROPS)],
            },
        )
        log.info(
            "pool: %d prompts of %d rows%s",
            len(self.prompts),
            self.prepared.pool.num_rows,
            "".join(f", {count} {reason}" for reason, count in dropped.items()),
        )

    def select(self, signals: SignalCache) -> Selection:
        """Scores of the whole pool to scores.parquet, kept ids to selection.json."""
        config = self.config
        columns = signals.columns()
        selection = select(columns, self.prepared.selector, config.ratio.value, config.seed)
        self._warn_of_rough(columns, selection)
        artifacts.write_table(self.folder / "scores.parquet", score_table(signals.all_columns(), selection))
        write_json(
            self.folder / "selection.json",
            {
                "selector": config.selector.get("name", "custom"),
                "ratio": config.ratio.value,
                "seed": config.seed,
                "num_pool": selection.num_pool,
                "num_kept": len(selection.ids),
                "tie_share": selection.tie_share,
                "near_cut": selection.near_cut,
                "ids": selection.ids,
            },
        )
        log.info("selection: kept %d of %d prompts", len(selection.ids), selection.num_pool)
        self.tracker.scores(self.folder / "scores.parquet", {p.id: p.question for p in self.prompts})
        return selection

    def _warn_of_rough(self, columns: dict[str, np.ndarray], selection: Selection) -> None:
        """Prompts that adaptive sampling left should not be among the kept: their pass rates are of few samples."""
        settings = self.config.signal.pass_rate
        if settings is None or settings.adaptive is None or "samples" not in columns:
            return
        left = columns["id"][columns["samples"] < settings.num_samples]
        if num_rough := len(set(left.tolist()) & set(selection.ids)):
            log.warning(
                "%d of the %d kept prompts were left before their %d samples were drawn; widen "
                "signal.pass_rate.adaptive=%s, or set it to null",
                num_rough,
                len(selection.ids),
                settings.num_samples,
                settings.adaptive,
            )

    def train(self, selection: Selection) -> dict[str, Any]:
        """Train on the selection unless the policy for exactly this input is published; returns its manifest."""
        folder = self.folder / "train"
        nodes = [self.plain[name] for name in ("template", "reward", "train", "deepspeed", "seed")]
        kept = set(selection.ids)
        rows = [{"id": p.id, "prompt": self.messages(p), "answer": p.answer} for p in self.prompts if p.id in kept]
        key = digest([rows, self.model_id, nodes, self.config.launch.num_ranks])
        self.keys.add(("train", key))
        done = manifest(folder)
        if done is not None and done["key"] == key:
            log.info("training: %d steps (done before)", done["steps"])
            return done
        work = self.folder / ".work" / f"train-{key}"  # checkpoints of another selection must not be gone on from
        log.info("training on %d prompts", len(rows))
        with publish(folder) as (temporary, content):
            policy = str(temporary / "policy")
            self.spool("train", rows)
            result = self.stage("train", "training", key, checkpoints=str(work), policy=policy)[0]
            content |= {**result, "key": key}
        shutil.rmtree(work, ignore_errors=True)
        return content

    def spool(self, stage: str, rows: Iterable[dict[str, Any]]) -> int:
        """Write the rows that `stage` will work on; returns how many."""
        return write_rows(self._spooled(stage), rows)

    def _spooled(self, stage: str) -> Path:
        return self.folder / ".work" / stage / "rows.jsonl"

    def stage(self, stage: str, kind: str, key: str, **request: Any) -> list[dict[str, Any]]:
        """Run a stage in child ranks over its spooled rows, with its progress shown and its metrics tracked.

        `key` names what is computed: seconds of earlier attempts at the same are added up.
        """
        self.enter(stage)
        Journal(self.journal, stage, self.attempt).write("start", key=key)
        progress = Progress(stage)

        def follow(line: dict[str, Any]) -> None:
            if line["event"] == "progress":
                progress.update(line["done"], line["total"], line["unit"])
            self.tracker.feed(line)

        try:
            results = run_stage(
                stage,
                {
                    "kind": kind,
                    "config": self.plain,
                    "model": str(self.model_folder),
                    "rows": str(self._spooled(stage)),
                    "journal": str(self.journal),
                    "attempt": self.attempt,
                    **request,
                },
                self.folder,
                self.config.launch,
                follow,
            )
        finally:
            progress.close()
        Journal(self.journal, stage, self.attempt).write("end")
        return results

    def messages(self, prompt: Prompt) -> list[dict[str, str]]:
        return messages(self.config.template, prompt.question, self.has_system_role)

    def render(self, prompt: Prompt) -> str:
        return render(self.tokenizer, self.messages(prompt))

    def record(self, stage: str, **values: Any) -> None:
        """A line of metrics that the parent knows: into the journal, and from there to the tracker."""
        self.tracker.feed(Journal(self.journal, stage, self.attempt).write("metrics", **values))

    def clear(self) -> None:
        """Forget the results of this run (force=true): its next start computes them again."""
        for name in ("train", "eval", ".work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("metrics.json", "metrics.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
