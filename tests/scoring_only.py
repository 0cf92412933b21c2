"""`python -m tests.scoring_only OVERRIDES`: the scoring of a run and nothing else, for tests that kill it or start it often."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.pipeline import Pipeline
from ufo_rl.experiment.prepare import prepare
from ufo_rl.experiment.status import Status
from ufo_rl.tracking.sink import Tracker


def collect(overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The account of the selector's first signal, and all columns, in the current folder."""
    (job,) = compose_jobs(overrides)
    config = load(job.plain)
    job.folder.mkdir(parents=True, exist_ok=True)
    state = Status(job.folder)
    pipeline = Pipeline(config, job.plain, job.folder, prepare(config), Tracker(), attempt=1, enter=state.enter)
    pipeline.stages.begin()
    signals = pipeline.signals()
    (account, *_) = [signals.collect(name) for name in pipeline.prepared.selector.signals]
    ids = np.array([prompt.id for prompt in pipeline.pool.prompts])
    return account, {"id": ids, **signals.columns(signals.known())}


def rows_in_chunks(outputs: Path) -> list[str]:
    """The key of every row in every chunk of confidence."""
    import pyarrow.parquet as pq

    chunks = outputs.glob("cache/signals/confidence-*/chunk-*.parquet")
    return [key for chunk in chunks for key in pq.read_table(chunk, columns=["key"])["key"].to_pylist()]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    sys.stdout.write(json.dumps(collect(sys.argv[1:])[0]) + "\n")
