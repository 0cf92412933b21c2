"""What the rank of `ufo-rl doctor` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ufo_rl.config.schema import EngineConfig
from ufo_rl.signals.confidence.settings import Confidence


@dataclass(frozen=True)
class ExaminationRequest:
    """Score the rows with the model in `model` in several ways, among them as `settings` and `dtype` say."""

    model: Path
    dtype: str
    settings: Confidence
    engine: EngineConfig
