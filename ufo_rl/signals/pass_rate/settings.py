"""Signal `pass_rate`, the parent's half: K sampled completions a prompt, one stored row a sample."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le

from ufo_rl.config.build import build
from ufo_rl.config.kinds import Number, Text, node
from ufo_rl.config.schema import Count, EngineConfig, Positive, Seam, Seed
from ufo_rl.files.rows import check_file
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.records import Prompt
from ufo_rl.signals.pass_rate.rollouts import KEY, Rollouts, check_rollouts, read_rollouts

if TYPE_CHECKING:  # what a command line needs of a signal is light
    from ufo_rl.files.store import Store
    from ufo_rl.grader import Grader
    from ufo_rl.signals.protocol import PoolRows, Subject

log = logging.getLogger(__name__)
VERSION = 3  # raise it when the samples of the same text change: old stores are then no longer found
SHARED = ("num_samples", "adaptive", "rollouts")  # settings whose samples are those of every other value


@node
class PassRate:
    """The share of K sampled completions that the grader accepts. Keys: see conf/signal/pass_rate.yaml."""

    num_samples: Count
    temperature: Positive
    max_completion_tokens: Count
    seed: Seed
    adaptive: list[Annotated[Number, Ge(0), Le(1)]] | None
    rollouts: Text | None

    stage: ClassVar[str] = "pass_rate"
    unit: ClassVar[str] = "samples"
    rank: ClassVar[str] = "ufo_rl.signals.pass_rate.rank.measure"
    columns: ClassVar[tuple[str, ...]] = ("pass_rate", "samples")
    stored: ClassVar[tuple[str, ...]] = ("id", "correct", "truncated", "num_tokens", "generated_tokens")

    def __post_init__(self) -> None:
        if self.adaptive is None:
            return
        shown = f"adaptive=[{','.join(f'{end:g}' for end in self.adaptive)}]"
        if len(self.adaptive) != 2 or self.adaptive[0] > self.adaptive[1]:
            raise ValueError(f"{shown} must be an interval of pass rates [low,high], for example [0.4,0.6]")
        low, high = self.adaptive
        if not any(low <= k / self.num_samples <= high for k in range(self.num_samples + 1)):
            raise ValueError(f"{shown} holds no pass rate of signal.pass_rate.num_samples={self.num_samples}; widen it")

    def check(self, prompts: Sequence[Prompt]) -> None:
        """Finished completions, where a file of them is named, are there for every prompt."""
        if (found := self.finished()) is not None:
            check_rollouts(found, prompts, self.num_samples)

    def finished(self) -> Rollouts | None:
        """The completions that stand for samples; None where they are sampled."""
        if self.rollouts is None:
            return None
        path = Path(self.rollouts).expanduser()
        check_file(f"{KEY}={path}", path)
        return _read_rollouts(path, path.stat().st_mtime_ns)

    def inputs(self) -> str | None:
        """What the settings name but do not hold: the hash of the file of finished completions."""
        found = self.finished()
        return found.key if found is not None else None

    def warn_of_rough(self, columns: Mapping[str, np.ndarray], kept: Sequence[str]) -> None:
        """Prompts that adaptive sampling left should not be among the kept: their pass rates are of few samples."""
        if self.adaptive is None:
            return
        left = columns["id"][columns["samples"] < self.num_samples]
        if num_rough := len(set(left.tolist()) & set(kept)):
            log.warning(
                "%d of the %d kept prompts were left before their %d samples were drawn; widen "
                "signal.pass_rate.adaptive=%s, or set it to null",
                num_rough,
                len(kept),
                self.num_samples,
                self.adaptive,
            )

    def identity(self, subject: Subject) -> dict[str, Any]:
        base = {"version": VERSION, "template": dict(subject.template), "grader": subject.grader_id}
        if subject.chat.form.opened and self.rollouts is None:
            base["begun"] = subject.chat.form.opened
        if (key := self.inputs()) is not None:
            return {**base, "rollouts": key}
        settings = {k: v for k, v in asdict(self).items() if k not in SHARED}  # pyright: ignore[reportArgumentType]
        engine, model = decides(subject.engine.name, subject.engine.vllm), subject.chat.id
        return {**base, **settings, "dtype": subject.dtype, "engine": engine, "model": model}

    def rows(self, subject: Subject) -> PoolRows:
        from ufo_rl.signals.pass_rate.rates import Samples

        return Samples(subject, self.num_samples, self.adaptive, self.finished())

    def take_over(self, subject: Subject, store: Store) -> None:
        """Grade again what was sampled under another grader; a file of completions is graded by the ranks."""
        from ufo_rl.signals.pass_rate.rates import Samples
        from ufo_rl.signals.pass_rate.regraded import others, take_over

        if self.rollouts is not None or not (found := others(store)):
            return
        wanted = Samples(subject, self.num_samples, self.adaptive, None).references(store)
        grader: Grader = build(subject.grader, "grader", subject.plugins)
        try:
            for other in found:
                for key in take_over(store, other, wanted, grader, subject.chat.form.opened):
                    del wanted[key]
        finally:
            grader.close()

    def request(self, subject: Subject, store: Path, num_missing: int) -> PassRateRequest:
        grader = dict(subject.grader)
        return PassRateRequest(
            subject.chat.folder,
            subject.dtype,
            store,
            num_missing,
            self,
            subject.engine,
            grader,
            subject.plugins,
            tuple(subject.chat.template.stop),
            subject.chat.form.opened,
        )

    def owns_device(self, subject: Subject) -> bool:
        return subject.engine.name == "vllm" and self.rollouts is None


@node
class PassRateRequest:
    """What a rank is asked: at most `num_samples` samples of all ranks together into the store's folder, each up to the first
    text of `stop`. begun: what the prompts begin of the answer; it is graded in front of each sample."""

    model: Path
    dtype: str
    store: Path
    num_samples: int
    settings: PassRate
    engine: EngineConfig
    grader: Seam
    plugins: list[str]
    stop: tuple[str, ...]
    begun: str


@functools.lru_cache(maxsize=2)
def _read_rollouts(path: Path, changed: int) -> Rollouts:
    return read_rollouts(path)
