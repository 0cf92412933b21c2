"""Samples that were drawn under another grader: their completions are graded again, and nothing is generated."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json
from ufo_rl.files.store import KEY, Store
from ufo_rl.grader import Grader
from ufo_rl.launch.progress import Progress
from ufo_rl.records import Reference
from ufo_rl.signals.protocol import TIMES

log = logging.getLogger(__name__)
COLUMNS = ("id", "sample", "truncated", "num_tokens", "generated_tokens", "completion", *TIMES)
FACTS = "facts.json"  # of the model that drew the samples; see `signals.costs`
BLOCK = 512  # completions that are graded at a time


def others(store: Store) -> list[Store]:
    """The stores whose samples were drawn as those of `store` are, and graded otherwise."""
    folders, drawn = sorted(store.folder.parent.glob(f"{store.identity['signal']}-*")), _drawn(store.identity)
    return [Store.at(one) for one in folders if one != store.folder and _drawn(_identity(one)) == drawn]


def take_over(store: Store, other: Store, references: Mapping[str, Reference], grader: Grader, begun: str) -> set[str]:
    """Grade into `store` what `other` has of the samples in `references`, by key; returns the keys that have a verdict now.
    One on which the grader stalls has none: it is sampled.

    begun: what the prompts hold of the answer's form already; it is graded in front of each sample.
    """
    rows = other.read(list(references), COLUMNS)
    if not len(rows) or "completion" not in rows.column_names:
        return set()
    log.info("pass_rate: grading %d stored samples again, as they were graded otherwise", len(rows))
    taken: set[str] = set()
    with closing(Progress("grading samples")) as progress:
        for start in range(0, len(rows), BLOCK):
            graded = list(_graded(rows.slice(start, BLOCK).to_pylist(), references, grader, begun))
            store.publish(graded)
            taken |= {row[KEY] for row in graded}
            progress.update(min(start + BLOCK, len(rows)), len(rows), "samples")
    if (other.folder / FACTS).is_file() and not (store.folder / FACTS).exists():
        shutil.copy2(other.folder / FACTS, store.folder / FACTS)
    return taken


def _graded(
    rows: list[dict[str, Any]], references: Mapping[str, Reference], grader: Grader, begun: str
) -> Iterator[dict[str, Any]]:
    texts = [begun + row["completion"] for row in rows]
    verdicts = grader.grade_all([references[row[KEY]] for row in rows], texts)
    for row, verdict in zip(rows, verdicts, strict=True):
        if not verdict.reason.startswith("stalled"):
            yield {**row, "correct": verdict.correct}


def _drawn(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What samples depend on, apart from their verdicts."""
    return {name: value for name, value in identity.items() if name != "grader"}


def _identity(folder: Path) -> dict[str, Any]:
    """What a store's key stands for; {} where it does not tell."""
    try:
        return read_json(folder / "identity.json")
    except (OSError, UserError):
        return {}
