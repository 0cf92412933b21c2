"""What a run does before it trains, and what `ufo-rl score` and `ufo-rl select` do alone: the pool narrowed, signals
measured, prompts chosen, all of it written down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.config.kinds import stated
from ufo_rl.config.optional import ask
from ufo_rl.config.schema import Config, Template
from ufo_rl.experiment.lengths import check_lengths, sampled
from ufo_rl.experiment.model_check import check_fetched
from ufo_rl.experiment.pool import RunPool
from ufo_rl.experiment.prepare import Prepared
from ufo_rl.grader import grader_id
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.turn import in_words
from ufo_rl.records import Prompt
from ufo_rl.selector.columns import Columns, of_pool
from ufo_rl.selector.cut import Selection, select
from ufo_rl.selector.score_table import OF_THE_SELECTION, score_columns, write_scores, write_selection
from ufo_rl.signals.cache import SignalCache
from ufo_rl.signals.protocol import Subject
from ufo_rl.tracking.sink import Tracker

log = logging.getLogger(__name__)
TRACKED = (
    "id",
    "level",
    "subject",
    "tokens",
    *OF_THE_SELECTION,
)  # in W&B, with what was measured and the question, cut


class BeforeTraining:
    """The stages of one folder up to the selection; each is handed what it needs and no more.

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

    def begin(self, measured: Sequence[str], trains: bool = False) -> None:
        """Say that an attempt begins, and look at a model of the hub, now that it is there: whether it serves, and has room
        for what the named signals and a training sample."""
        self.stages.begin()
        check_fetched(self.config, self.chat)
        asked = sampled(self.config, measured, trains)
        check_lengths(self.config, self.pool.prompts, self.prepared.benchmarks, asked, self.chat)
        if begun := in_words(self.chat.form):
            log.info("%s", begun)

    def narrow(self, benchmarks: Mapping[str, Sequence[Prompt]]) -> None:
        """Take out of the pool what must not be measured; contamination.json tells of the given benchmarks."""
        if benchmarks:
            path = self.folder / "contamination.json"
            self.pool.decontaminate(benchmarks, self.config.contamination, path)
        self.pool.limit_tokens(self.config.train.max_prompt_tokens, self.chat)
        self.pool.write(self.folder / "pool.json")

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

    def columns(self, signals: SignalCache, names: Sequence[str] | None = None) -> Columns:
        """What the selector gets: the pool's columns, over them those of its signals, or of the named ones."""
        columns = of_pool(self.pool.prompts, self.chat.num_tokens)
        columns.update(signals.columns(self.prepared.selector.signals if names is None else names))
        return columns

    def select(self, signals: SignalCache, columns: Columns) -> Selection:
        """Scores of the whole pool to scores.parquet, kept ids to selection.json."""
        config, selector = self.config, self.prepared.selector
        selection = select(columns, selector, config.ratio.value, config.seed)
        for name in selector.signals:
            ask(self.prepared.signals[name], "warn_of_rough", columns, selection.ids)
        name = config.selector.get("name", "custom")
        about = {"selector": name, "ratio": config.ratio.value, "seed": config.seed}
        write_selection(self.folder, about, selection)
        self.write_scores(signals, columns, selection)
        log.info("selection: kept %d of %d prompts", len(selection.ids), selection.num_pool)
        return selection

    def write_scores(self, signals: SignalCache, columns: Columns, selection: Selection | None = None) -> None:
        """Every prompt with its texts and all that is known of it to scores.parquet, and a part of that to W&B.

        columns: those of the pool, at least."""
        known, prompts = signals.known(), self.pool.prompts
        measured = signals.columns(known)
        table = score_columns(prompts, columns, measured, selection)
        write_scores(self.folder / "scores.parquet", table)
        self.tracker.scores(
            self.folder / "scores.parquet",
            {prompt.id: prompt.question for prompt in prompts},
            [self.prepared.signals[name].columns[0] for name in known],
            [name for name in table if name in TRACKED or name in measured],
        )

    def kept(self, selection: Selection) -> list[Prompt]:
        """The kept prompts in the order of the pool."""
        kept = set(selection.ids)
        return [prompt for prompt in self.pool.prompts if prompt.id in kept]
