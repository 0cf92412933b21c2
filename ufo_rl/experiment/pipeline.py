"""One run: score, select, train, evaluate, record. Every stage is published once and found again by its key."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ufo_rl.config.kinds import stated
from ufo_rl.config.optional import ask
from ufo_rl.config.schema import Config, Template
from ufo_rl.evaluation.shared import Asked, Evaluations
from ufo_rl.experiment.data import check_batch, whole_benchmarks
from ufo_rl.experiment.model_check import check_fetched
from ufo_rl.experiment.pool import RunPool
from ufo_rl.experiment.prepare import Prepared
from ufo_rl.experiment.shots import drawn_shots
from ufo_rl.experiment.told import facts_of_parts
from ufo_rl.files.atomic import write_json
from ufo_rl.grader import grader_id
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.turn import in_words
from ufo_rl.records import RunView
from ufo_rl.report.metrics import RunMetrics, run_metrics
from ufo_rl.selector.columns import Columns, of_pool
from ufo_rl.selector.cut import Selection, select
from ufo_rl.selector.score_table import write_selection
from ufo_rl.signals.cache import SignalCache
from ufo_rl.signals.protocol import Subject
from ufo_rl.tracking.sink import Tracker
from ufo_rl.training.policy import PolicyTraining

log = logging.getLogger(__name__)


class Pipeline:
    """The stages of one run, in their order; each is handed what it needs and no more.

    plain: the resolved configuration as it stands in config.yaml. attempt, enter: see `Stages`.
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
        self.config, self.plain, self.folder, self.prepared, self.tracker = config, plain, folder, prepared, tracker
        self.cache = Path(config.paths.outputs) / "cache"
        self.stages = Stages(folder, config.launch, attempt, tracker.feed, enter)
        self.chat = ChatModel(config.model, config.template, self.cache / "fingerprints.json")
        self.pool = RunPool.of(prepared.pool)

    def run(self) -> RunMetrics:
        """All stages in order; returns and writes metrics.json."""
        config = self.config
        self.stages.begin()
        check_fetched(config, self.chat)
        if begun := in_words(self.chat.form):
            log.info("%s", begun)
        self.pool.decontaminate(whole_benchmarks(config), config.contamination, self.folder / "contamination.json")
        self.pool.limit_tokens(config.train.max_prompt_tokens, self.chat)
        check_batch(config, self.prepared.selector, len(self.pool.prompts))
        self.pool.write(self.folder / "pool.json")
        evaluations = self.evaluations()
        base = {name: evaluations.base(name) for name in config.eval}
        signals = self.signals()
        costs = {name: signals.collect(name) for name in self.prepared.selector.signals}
        columns = self.columns(signals)
        selection = self.select(signals, columns)
        trained = self.train(selection)
        policy, steps = self.folder / "train" / "policy", trained["steps"]
        final = {name: evaluations.final(name, policy, steps, "after training") for name in config.eval}
        for name in final:
            self.tracker.questions(name, self.folder / "eval" / name / "questions.parquet")
        seconds, train = self.stages.seconds(), config.train
        metrics = run_metrics(
            num_pool=len(self.pool.prompts),
            num_selected=len(selection.ids),
            trained=trained,
            budget=f"steps={train.max_steps}" if train.max_steps else f"epochs={train.num_train_epochs:g}",
            signals=costs,
            spearman=signals.correlation(),
            base=base,
            final=final,
            seconds=seconds,
            gpu_hours=self.stages.gpu_hours(seconds),
        )
        metrics["facts"] = facts_of_parts(config, self.prepared, RunView(columns, selection.ids, metrics))
        write_json(self.folder / "metrics.json", metrics)
        shutil.rmtree(self.folder / ".work", ignore_errors=True)
        return metrics

    def evaluations(self) -> Evaluations:
        config = self.config
        asked = {
            name: Asked.of(
                benchmark, self.prepared.benchmarks[name], config.grader, config.plugins, drawn_shots(name, config)
            )
            for name, benchmark in config.eval.items()
        }
        return Evaluations(asked, self.chat, config.engine, self.cache, self.stages)

    def signals(self) -> SignalCache:
        config, grader = self.config, self.prepared.grader
        subject = Subject(
            prompts=self.pool.prompts,
            chat=self.chat,
            dtype=config.model.dtype,
            engine=config.engine,
            template=stated(Template, self.plain["template"]),
            grader=config.grader,
            grader_id=grader_id(config.grader, grader),
            grader_columns=grader.columns,
            plugins=config.plugins,
        )
        return SignalCache(self.prepared.signals, config.signal, subject, self.cache / "signals", self.stages)

    def columns(self, signals: SignalCache) -> Columns:
        """What the selector gets: the pool's columns, over them those of its signals."""
        columns = of_pool(self.pool.prompts, self.chat.num_tokens)
        columns.update(signals.columns(self.prepared.selector.signals))
        return columns

    def select(self, signals: SignalCache, columns: Columns) -> Selection:
        """Scores of the whole pool to scores.parquet, kept ids to selection.json."""
        config, selector, prompts = self.config, self.prepared.selector, self.pool.prompts
        selection = select(columns, selector, config.ratio.value, config.seed)
        for name in selector.signals:
            ask(self.prepared.signals[name], "warn_of_rough", columns, selection.ids)
        known = signals.known()
        write_selection(
            self.folder,
            {
                "selector": config.selector.get("name", "custom"),
                "ratio": config.ratio.value,
                "seed": config.seed,
            },
            {"id": columns["id"], **self._levels(columns), **signals.columns(known)},
            selection,
        )
        log.info("selection: kept %d of %d prompts", len(selection.ids), selection.num_pool)
        measured = [self.prepared.signals[name].columns[0] for name in known]
        questions = {p.id: p.question for p in prompts}
        self.tracker.scores(self.folder / "scores.parquet", questions, measured)
        return selection

    def _levels(self, columns: Columns) -> dict[str, Any]:
        return {"level": columns["level"].astype(str)} if any(p.level for p in self.pool.prompts) else {}

    def train(self, selection: Selection) -> dict[str, Any]:
        """Train on the selection unless the policy for exactly this input is published; returns its manifest."""
        kept = set(selection.ids)
        stage = PolicyTraining(self.config, self.plain, self.chat, self.stages)
        return stage.run([prompt for prompt in self.pool.prompts if prompt.id in kept])

    def clear(self) -> None:
        """Forget the results of this run (force=true): its next start computes them again."""
        for name in ("train", "eval", ".work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("metrics.json", "metrics.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
