"""What every stage of a run needs: its configuration, folder, journal and model, and how its ranks are started."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Config, Shot
from ufo_rl.files.environment import hardware
from ufo_rl.files.journal import Journal, parse, seconds_spent
from ufo_rl.launch.progress import Progress
from ufo_rl.launch.spool import write_rows
from ufo_rl.launch.start import run_stage
from ufo_rl.model.template import accepts_system_role, messages, render
from ufo_rl.model.weights import fetch, fingerprint, load_tokenizer
from ufo_rl.records import Prompt
from ufo_rl.tracking.sink import Tracker

STAGE_ORDER = ("base_eval", "score", "pass_rate", "train", "eval")


class RunContext:
    """A run in the folder that it has claimed.

    plain: the resolved configuration as it stands in config.yaml, what the ranks get. attempt: counts the starts of
    this run, so that the journal keeps them apart. enter: told the name of each stage that begins.
    """

    def __init__(
        self,
        config: Config,
        plain: dict[str, Any],
        folder: Path,
        tracker: Tracker,
        attempt: int,
        enter: Callable[[str], None],
    ) -> None:
        self.config, self.plain, self.folder = config, plain, folder
        self.tracker, self.attempt, self.enter = tracker, attempt, enter
        self.cache = Path(config.paths.outputs) / "cache"
        self.keys: set[tuple[str, str]] = set()  # stage and key of what this run asked for

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

    def messages(self, prompt: Prompt, shots: Sequence[Shot] = ()) -> list[dict[str, str]]:
        return messages(self.config.template, prompt.question, self.has_system_role, shots)

    def render(self, prompt: Prompt, shots: Sequence[Shot] = ()) -> str:
        return render(self.tokenizer, self.messages(prompt, shots))

    def record(self, stage: str, **values: Any) -> None:
        """A line of metrics that the parent knows: into the journal, and from there to the tracker."""
        self.tracker.feed(Journal(self.journal, stage, self.attempt).write("metrics", **values))
