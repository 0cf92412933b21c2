"""The pool of a run before anything is measured: what leaves it, and what is written down of that."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Contamination
from ufo_rl.dataset import count_drops, list_drops
from ufo_rl.dataset.overlap import Overlap, find_overlaps
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import write_json
from ufo_rl.files.keys import digest
from ufo_rl.model.chat import ChatModel
from ufo_rl.records import Drop, Pool, Prompt

log = logging.getLogger(__name__)
MAX_LISTED_DROPS = 1000  # per reason; the counts are always whole
_known: dict[str, dict[str, Overlap]] = {}  # the jobs of a sweep share pool and benchmarks


@dataclass
class RunPool:
    """The prompts that are left, and everything that was dropped. `num_rows` are those of the source."""

    prompts: list[Prompt]
    num_rows: int
    drops: list[Drop] = field(default_factory=list)

    @classmethod
    def of(cls, pool: Pool) -> RunPool:
        return cls(pool.prompts, pool.num_rows, list(pool.drops))

    def decontaminate(self, benchmarks: Mapping[str, Sequence[Prompt]], settings: Contamination, path: Path) -> None:
        """Write the overlap with the benchmarks to `path`; with contamination.remove=true every prompt that holds a question
        leaves. Raises UserError where no prompt is left."""
        found = overlap(self.prompts, benchmarks, settings.ngram, settings.threshold)
        details: dict[str, list[str]] = {}
        for name, one in found.items():
            for pair in one.pairs:
                details.setdefault(pair.prompt_id, []).append(pair.describe(name, settings.ngram))
        record = {"ngram": settings.ngram, "threshold": settings.threshold, "removed": settings.remove}
        write_json(path, {**record, "benchmarks": {name: recorded(one) for name, one in found.items()}})
        if not details:
            return
        hits = ", ".join(f"{name} {one.describe()}" for name, one in found.items() if one.pairs)
        if not settings.remove:
            log.info("contamination: %s; contamination.remove=true takes the %d prompts out", hits, len(details))
            return
        log.info("contamination: %s; %d prompts taken out", hits, len(details))
        self.drops += [Drop("contaminated", p.id, "; ".join(details[p.id])) for p in self.prompts if p.id in details]
        self.prompts = [p for p in self.prompts if p.id not in details]
        if not self.prompts:
            raise UserError(
                "contamination.remove=true leaves no prompt: each holds a question of a benchmark; choose another dataset"
            )

    def limit_tokens(self, limit: int | None, chat: ChatModel) -> None:
        """Prompts of more than train.max_prompt_tokens leave, each listed. Raises UserError where no prompt is left."""
        if limit is None:
            return
        lengths = chat.num_tokens(self.prompts)
        pairs = list(zip(self.prompts, lengths, strict=True))
        self.drops += [
            Drop("too_long", p.id, f"{n} tokens, train.max_prompt_tokens={limit}") for p, n in pairs if n > limit
        ]
        self.prompts = [p for p, n in pairs if n <= limit]
        if not self.prompts:
            raise UserError(
                f"train.max_prompt_tokens={limit} leaves no prompt: the shortest has {min(lengths)} tokens; raise it"
            )

    def write(self, path: Path) -> None:
        """What became of every row: all counts, and the first drops of each reason."""
        dropped = count_drops(self.drops)
        record = {
            "rows": self.num_rows,
            "prompts": len(self.prompts),
            "key": digest(sorted((p.id, p.answer) for p in self.prompts)),
            "dropped": dropped,
            "drops": [vars(drop) for drop in list_drops(self.drops, MAX_LISTED_DROPS)],
        }
        write_json(path, record)
        reasons = "".join(f", {count} {reason}" for reason, count in dropped.items())
        log.info("pool: %d prompts of %d rows%s", len(self.prompts), self.num_rows, reasons)


def overlap(
    prompts: Sequence[Prompt], benchmarks: Mapping[str, Sequence[Prompt]], ngram: int, threshold: float
) -> dict[str, Overlap]:
    """`find`, once per process for the same pool and benchmarks."""
    ids = {name: [p.id for p in questions] for name, questions in benchmarks.items()}
    key = digest([[p.id for p in prompts], ids, ngram, threshold])
    if key not in _known:
        _known[key] = find_overlaps(prompts, benchmarks, ngram, threshold)
    return _known[key]


def recorded(one: Overlap) -> dict[str, Any]:
    """What contamination.json says of one benchmark."""
    return {
        "questions": one.num_questions,
        "hit_questions": len(one.hit_questions),
        "exact_questions": len(one.exact_questions),
        "hit_prompts": len(one.hit_prompts),
        "pairs": [asdict(pair) for pair in one.pairs],
    }
