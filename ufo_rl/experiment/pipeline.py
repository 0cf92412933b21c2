"""One run: score, select, train, evaluate, record. Every stage is published once and found again by its key."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ufo_rl.config.schema import Config
from ufo_rl.dataset import count_drops, list_drops
from ufo_rl.errors import UserError
from ufo_rl.evaluation.cached import Evaluations
from ufo_rl.experiment.decontamination import decontaminate
from ufo_rl.experiment.prepare import Prepared, check_batch
from ufo_rl.files import atomic as artifacts
from ufo_rl.files.atomic import manifest, publish, write_json
from ufo_rl.files.journal import Journal
from ufo_rl.files.keys import digest
from ufo_rl.launch.context import RunContext
from ufo_rl.records import Drop
from ufo_rl.reward.columns import row_of
from ufo_rl.selector.cut import Selection, select
from ufo_rl.selector.score_table import score_table
from ufo_rl.signals.cache import SignalCache
from ufo_rl.tracking.sink import Tracker

log = logging.getLogger(__name__)
MAX_LISTED_DROPS = 1000  # per reason; the counts are always whole


class Pipeline(RunContext):
    """The stages of one run."""

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
        super().__init__(config, plain, folder, tracker, attempt, enter)
        self.prepared = prepared
        self.prompts = prepared.pool.prompts
        self.drops = list(prepared.pool.drops)

    def run(self) -> dict[str, Any]:
        """All stages in order; returns and writes metrics.json."""
        Journal(self.journal, "run", self.attempt).write("begin")
        decontaminate(self)
        self.limit_prompts()
        self.write_pool()
        evaluations = Evaluations(self, self.prepared.benchmarks)
        base = {name: evaluations.base(name) for name in self.config.eval}
        signals = SignalCache(self)
        costs = {name: signals.collect(name) for name in self.prepared.selector.signals}
        selection = self.select(signals)
        trained = self.train(selection)
        policy, steps = self.folder / "train" / "policy", trained["steps"]
        final = {name: evaluations.final(name, policy, steps, "after training") for name in self.config.eval}
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
                f"{name}_ci_low": final[name]["ci_low"],
                f"{name}_ci_high": final[name]["ci_high"],
                f"{name}_n": final[name]["n"],
                f"{name}_is_subset": final[name]["is_subset"],
            }
        write_json(self.folder / "metrics.json", metrics)
        shutil.rmtree(self.folder / ".work", ignore_errors=True)
        return metrics

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
                "key": digest(sorted((p.id, p.answer) for p in self.prompts)),
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
        rows = [row_of(p, self.messages(p)) for p in self.prompts if p.id in kept]
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

    def clear(self) -> None:
        """Forget the results of this run (force=true): its next start computes them again."""
        for name in ("train", "eval", ".work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("metrics.json", "metrics.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
