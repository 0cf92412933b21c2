"""Runs the stages of one folder: rows spooled, ranks started and followed, seconds added up over all attempts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Launch
from ufo_rl.files.journal import PHASES, STARTUP, Journal, parse, seconds_spent
from ufo_rl.files.uses import record_use
from ufo_rl.launch.place import is_on_cpu
from ufo_rl.launch.progress import Progress
from ufo_rl.launch.request import Request, kind_of, plain
from ufo_rl.launch.spool import write_spool
from ufo_rl.launch.start import run_ranks

log = logging.getLogger(__name__)


def left_out(results: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Shortcuts that were not right for the model, and why, as the ranks of a stage report them."""
    return {name: why for result in results for name, why in result.get("without", {}).items()}


class Stages:
    """Stages of the run in `folder`, which the caller has claimed.

    attempt: counts the starts of this run, so that the journal keeps them apart. feed: told every line of the journal. enter:
    told the name of each stage that begins. soon: modules that a later stage needs, which are imported ahead where ranks are
    forked."""

    def __init__(
        self,
        folder: Path,
        launch: Launch,
        attempt: int = 1,
        feed: Callable[[dict[str, Any]], None] = lambda line: None,
        enter: Callable[[str], None] = lambda stage: None,
        soon: Sequence[str] = (),
    ) -> None:
        self.folder, self.launch, self.attempt, self.feed, self.enter = folder, launch, attempt, feed, enter
        self.soon = soon
        self.journal = folder / "metrics.jsonl"
        self._asked: dict[tuple[str, str], None] = {}  # stage and key of what this run asked for, in that order

    def begin(self) -> None:
        """Say in the journal that an attempt begins."""
        Journal(self.journal, "run", self.attempt).write("begin")

    def asks(self, stage: str, key: str) -> None:
        """What this run needs of a stage, computed now or by an earlier attempt: its seconds are counted."""
        self._asked[stage, key] = None

    def uses(self, folder: Path) -> None:
        """This run needs a folder of the cache."""
        record_use(self.folder, folder)

    def spool(self, stage: str, rows: Iterable[dict[str, Any]]) -> int:
        """Write the rows that `stage` will work on; returns how many."""
        return write_spool(self._work(stage) / "rows.jsonl", rows)

    def run(
        self,
        stage: str,
        rank: str,
        request: Any,
        key: str,
        owns_device: bool = False,
        forks: bool = True,
        in_words: Callable[[dict[str, Any]], str] = lambda line: "",
    ) -> list[dict[str, Any]]:
        """Run the rank function at the dotted path `rank` in child ranks over the spooled rows; the result of each rank.

        `request` is the function's own frozen dataclass. `key` names what is computed: seconds of earlier attempts at the same
        are added up. Progress is shown, and with it what `in_words` says of a line of metrics; lines of the journal are fed.
        """
        self.enter(stage)
        Journal(self.journal, stage, self.attempt).write("start", key=key, phase=STARTUP)
        progress, num_ranks = Progress(stage, in_words), self.launch.num_ranks
        progress.phase(f"starting {num_ranks} rank{'s' if num_ranks > 1 else ''}")

        def follow(line: dict[str, Any]) -> None:
            progress.follow(line)
            self.feed(line)

        work = self._work(stage)
        try:
            results = run_ranks(
                Request(
                    stage=stage,
                    rank=rank,
                    kind=kind_of(request),
                    details=plain(request),
                    work=work,
                    rows=work / "rows.jsonl",
                    journal=self.journal,
                    attempt=self.attempt,
                    asked=time.time(),
                    launch=self.launch,
                    owns_device=owns_device,
                    forks=forks and not owns_device,
                ),
                self.folder,
                follow,
                progress.tick,
                self.soon,
            )
        finally:
            progress.close()
        self._end(stage, left_out(results))
        return results

    def _end(self, stage: str, without: dict[str, str]) -> None:
        """Write down that a stage has ended, and what its ranks left out, with the reasons."""
        Journal(self.journal, stage, self.attempt).write("end", **({"without": without} if without else {}))
        if without:
            why = "; ".join(f"{name} ({reason})" for name, reason in without.items())
            log.info("%s: this model is run without %s", stage, why)

    def record(self, stage: str, **values: Any) -> None:
        """A line of metrics that the parent knows: into the journal, and fed as those of the ranks are."""
        self.feed(Journal(self.journal, stage, self.attempt).write("metrics", **values))

    def seconds(self) -> dict[str, float]:
        """Wall seconds of each stage that this run asked for, over all its attempts, and of the attempts in total."""
        spent = seconds_spent(parse(self.journal.read_bytes()), time.time())
        stages: dict[str, float] = {}
        for stage, key in self._asked:
            stages[stage] = stages.get(stage, 0.0) + spent.stages.get((stage, key), 0.0)
        return {**stages, "total": spent.total}

    def phases(self) -> dict[str, dict[str, float] | None]:
        """The seconds of each stage divided by `journal.PHASES`; None where a version before this measured a part."""
        spent = seconds_spent(parse(self.journal.read_bytes()), time.time())
        stages: dict[str, dict[str, float] | None] = {}
        for stage, key in self._asked:
            nothing = dict.fromkeys(PHASES, 0.0)
            before, own = stages.get(stage, nothing), spent.phases.get((stage, key), nothing)
            stages[stage] = (
                None if before is None or own is None else {name: before[name] + own[name] for name in PHASES}
            )
        return stages

    def gpu_hours(self, seconds: dict[str, float]) -> float | None:
        """Hours of GPU that the stages held; None where they ran on CPUs."""
        if is_on_cpu(self.launch):
            return None
        return sum(seconds[stage] for stage in seconds if stage != "total") * self.launch.num_ranks / 3600

    def _work(self, stage: str) -> Path:
        return self.folder / ".work" / stage
