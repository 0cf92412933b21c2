"""One run: score, select, train, evaluate, record. Every stage is published once and found again by its key."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, cast

from ufo_rl.evaluation.shared import Asked, Evaluations
from ufo_rl.experiment.before_training import BeforeTraining
from ufo_rl.experiment.data import check_batch, whole_benchmarks
from ufo_rl.experiment.lineage import Lineage
from ufo_rl.experiment.shots import drawn_shots
from ufo_rl.experiment.told import facts_of_parts
from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.files.environment import gpu_bytes
from ufo_rl.launch.place import is_on_cpu
from ufo_rl.model.unloaded.architecture import architecture_of
from ufo_rl.records import RunView
from ufo_rl.report.metrics import RunMetrics, run_metrics
from ufo_rl.selector.columns import Columns
from ufo_rl.selector.cut import Selection
from ufo_rl.signals.cache import SignalCache
from ufo_rl.signals.protocol import OneRowEach
from ufo_rl.training.memory.estimate import estimate
from ufo_rl.training.memory.layout import Layout
from ufo_rl.training.memory.told import memory_told
from ufo_rl.training.moving import Moving
from ufo_rl.training.order import ease_column, in_order
from ufo_rl.training.policy import PolicyTraining, libraries

log = logging.getLogger(__name__)


class Pipeline(BeforeTraining):
    """All stages of one run, in their order."""

    def run(self) -> RunMetrics:
        """All stages in order; returns and writes metrics.json."""
        config = self.config
        self.begin(self.prepared.selector.signals, trains=True)
        self.stages.soon = libraries(config.deepspeed.config)
        self.narrow(whole_benchmarks(config))
        check_batch(config, self.prepared.selector, len(self.pool.prompts))
        self.tell_of_memory()
        evaluations = self.evaluations()
        base = {name: evaluations.base(name) for name in config.eval}
        signals = self.signals()
        costs = {name: signals.collect(name) for name in self.prepared.selector.signals}
        columns = self.columns(signals)
        selection = self.select(signals, columns)
        lineage = self.lineage(selection)
        trained = self.train(selection, columns, signals, evaluations)
        lineage.policy(trained, config.tracker.upload_policy)
        policy, steps = self.folder / "train" / "policy", trained["steps"]
        final = {name: evaluations.final(name, policy, steps, "after training") for name in config.eval}
        for name in final:
            self.tracker.questions(name, self.folder / "eval" / name / "questions.parquet")
            lineage.evaluation(name, final[name]["accuracy"])
        seconds, train = self.stages.seconds(), config.train
        metrics = run_metrics(
            num_pool=len(self.pool.prompts),
            num_selected=len(selection.ids),
            trained=trained,
            budget=f"{train.budget_unit}={train.budget_amount:.12g}",
            signals=costs,
            spearman=signals.correlation(),
            base=base,
            final=final,
            seconds=seconds,
            gpu_hours=self.stages.gpu_hours(seconds),
            phases=self.stages.phases(),
        )
        metrics["facts"] = facts_of_parts(config, self.prepared, RunView(columns, selection.ids, metrics))
        write_json(self.folder / "metrics.json", metrics)
        shutil.rmtree(self.folder / ".work", ignore_errors=True)
        return metrics

    def lineage(self, selection: Selection) -> Lineage:
        """What the training is made from."""
        found = Lineage(self.folder, self.plain, self.tracker)
        found.dataset(read_json(self.folder / "pool.json")["key"])
        found.scores()
        found.selection(
            {"num_kept": len(selection.ids), "num_pool": selection.num_pool, "selector": self.plain["selector"]}
        )
        return found

    def tell_of_memory(self) -> None:
        """What the training will hold on each GPU, in a line, before hours are spent on what comes before it."""
        config = self.config
        if is_on_cpu(config.launch):
            return
        model = architecture_of(config.model)
        if model is None:
            return
        longest, available = max(self.chat.num_tokens(self.pool.prompts)), gpu_bytes()
        layout = Layout(
            model=model,
            train=config.train,
            deepspeed=config.deepspeed.config,
            rollout=config.rollout,
            num_ranks=config.launch.num_ranks,
            prompt=longest,
            completion=config.train.max_completion_tokens,
            is_cuda=True,
        )
        log.info(memory_told(estimate(layout, available), available))

    def evaluations(self) -> Evaluations:
        config = self.config
        asked = {
            name: Asked.of(
                benchmark, self.prepared.benchmarks[name], config.grader, config.plugins, drawn_shots(name, config)
            )
            for name, benchmark in config.eval.items()
        }
        return Evaluations(asked, self.chat, config.engine, self.cache, self.stages)

    def train(
        self, selection: Selection, columns: Columns, signals: SignalCache, evaluations: Evaluations
    ) -> dict[str, Any]:
        """Train on the selection unless the policy for exactly this input is published; returns its manifest."""
        prompts = in_order(self.kept(selection), self.config.train.order, columns, selection.rank, self._ease())
        training = PolicyTraining(self.config, self.plain, self.chat, self.stages)

        def evaluate(policy: Path, step: int) -> dict[str, float]:
            return {name: evaluations.on_the_way(name, policy, step)["accuracy"] for name in self.config.eval}

        return training.run(prompts, evaluate, self._moving(selection, columns, signals))

    def _ease(self) -> str | None:
        """The measured column that says how easy prompts are; a dataset's own of that name may mean anything."""
        return ease_column({name for signal in self.prepared.signals_of_selector() for name in signal.columns})

    def _moving(self, selection: Selection, columns: Columns, signals: SignalCache) -> Moving | None:
        config, kept = self.config, set(selection.ids)
        if config.refresh.name == "static":
            return None
        name, ids = self._ease(), columns["id"].tolist()
        ease = dict.fromkeys(ids, 0.5) if name is None else dict(zip(ids, columns[name].tolist(), strict=True))
        is_scored = config.refresh.name == "rescore"
        return Moving(
            settings=config.refresh,
            prompts=[prompt for prompt in self.pool.prompts if prompt.id not in kept],
            ease=ease,
            scored=cast(OneRowEach, signals.rows("confidence")).make if is_scored else None,
            selector=config.selector,
            signal=config.signal.get("confidence") if is_scored else None,
            ratio=config.ratio.value,
        )

    def clear(self) -> None:
        """Forget the results of this run (force=true): its next start computes them again."""
        for name in ("train", "eval", ".work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("metrics.json", "metrics.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
