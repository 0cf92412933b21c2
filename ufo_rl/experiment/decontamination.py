"""A run's pool against its benchmarks: written down, told, and the hit prompts taken out where that is asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ufo_rl.dataset.overlap import Overlap, find
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import check_batch, whole_benchmarks
from ufo_rl.files.atomic import write_json
from ufo_rl.files.keys import digest
from ufo_rl.records import Drop, Prompt

if TYPE_CHECKING:
    from ufo_rl.experiment.pipeline import Pipeline

log = logging.getLogger(__name__)
_known: dict[str, dict[str, Overlap]] = {}  # the jobs of a sweep share pool and benchmarks


def decontaminate(run: Pipeline) -> None:
    """Write contamination.json; with contamination.remove=true every prompt that holds a question leaves the pool.

    Raises UserError where no prompt is left, or fewer than a training step needs.
    """
    settings = run.config.contamination
    found = overlap(run.prompts, whole_benchmarks(run.config), settings.ngram, settings.threshold)
    details: dict[str, list[str]] = {}
    for name, one in found.items():
        for pair in one.pairs:
            details.setdefault(pair.prompt_id, []).append(pair.describe(name, settings.ngram))
    write_json(
        run.folder / "contamination.json",
        {
            "ngram": settings.ngram,
            "threshold": settings.threshold,
            "removed": settings.remove,
            "benchmarks": {name: record(one) for name, one in found.items()},
        },
    )
    if not details:
        return
    hits = ", ".join(f"{name} {one.describe()}" for name, one in found.items() if one.pairs)
    if not settings.remove:
        log.info("contamination: %s; contamination.remove=true takes the %d prompts out", hits, len(details))
        return
    log.info("contamination: %s; %d prompts taken out", hits, len(details))
    run.drops += [Drop("contaminated", p.id, "; ".join(details[p.id])) for p in run.prompts if p.id in details]
    run.prompts = [p for p in run.prompts if p.id not in details]
    if not run.prompts:
        raise UserError(
            "contamination.remove=true leaves no prompt: each holds a question of a benchmark; choose another dataset"
        )
    check_batch(run.config, run.prepared.selector, len(run.prompts))


def overlap(
    prompts: Sequence[Prompt], benchmarks: Mapping[str, Sequence[Prompt]], ngram: int, threshold: float
) -> dict[str, Overlap]:
    """`find`, once per process for the same pool and benchmarks."""
    ids = {name: [p.id for p in questions] for name, questions in benchmarks.items()}
    key = digest([[p.id for p in prompts], ids, ngram, threshold])
    if key not in _known:
        _known[key] = find(prompts, benchmarks, ngram, threshold)
    return _known[key]


def record(one: Overlap) -> dict[str, Any]:
    """What contamination.json says of one benchmark."""
    return {
        "questions": one.num_questions,
        "hit_questions": len(one.hit_questions),
        "exact_questions": len(one.exact_questions),
        "hit_prompts": len(one.hit_prompts),
        "pairs": [asdict(pair) for pair in one.pairs],
    }
