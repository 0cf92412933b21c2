"""What the parts of a run want shown of it: asked when all is done, so that nothing they do can lose a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from ufo_rl.config.build import build
from ufo_rl.config.optional import ask
from ufo_rl.config.schema import Config
from ufo_rl.experiment.prepare import Prepared
from ufo_rl.records import RunView
from ufo_rl.report.facts import FactRecord, fact_records

log = logging.getLogger(__name__)


def facts_of_parts(config: Config, prepared: Prepared, view: RunView) -> list[FactRecord]:
    """The facts of every part, in the order of the pipeline."""
    found: list[FactRecord] = []
    for name, part in _parts(config, prepared):
        try:
            found += fact_records(name, ask(part, "facts", view, default=()))
        except Exception as error:  # a plugin may raise anything; the run is done, and its results are kept
            log.warning("facts of %s are left out: %s: %s", name, type(error).__name__, error)
    return found


def _parts(config: Config, prepared: Prepared) -> Iterator[tuple[str, Any]]:
    """The parts by what they are and are called, such as `selector ufo`."""
    yield f"dataset {config.dataset.get('name', 'custom')}", build(config.dataset, "dataset", config.plugins)
    for name in prepared.selector.signals:
        yield f"signal {name}", prepared.signals[name]
    yield f"selector {config.selector.get('name', 'custom')}", prepared.selector
    yield f"grader {config.grader.get('name', 'custom')}", prepared.grader
    for part in prepared.rewards:
        yield f"reward {part.name}", part.function
