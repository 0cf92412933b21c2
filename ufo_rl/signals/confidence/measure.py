"""Signal `confidence`: log-probabilities of the target tokens in one forward pass (arXiv 2505.12457).

Conf(x) = (1/T) sum_t log P(y_t | x, y_<t)        natural logarithm, <= 0; s(x) = exp(Conf(x)) is the confidence
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ufo_rl.model.memory import is_out_of_memory
from ufo_rl.signals.confidence.budget import Budget, within_memory
from ufo_rl.signals.confidence.forward import HEAD_ROWS, TeacherForcing
from ufo_rl.signals.confidence.shortcuts import can_share, prove
from ufo_rl.signals.confidence.spans import Encoded, common_prefix


@dataclass(frozen=True, slots=True)
class Measured:
    """Reductions of the target's log-probabilities, and what the row cost: `num_tokens` of its own, `prefix_tokens`
    of them taken from the shared cache, `padded_tokens` computed besides."""

    mean_logprob: float
    sum_logprob: float
    min_logprob: float
    num_target_tokens: int
    num_tokens: int
    prefix_tokens: int
    padded_tokens: int
    border: str
    token_logprobs: list[float]

    @classmethod
    def of(cls, row: Encoded, terms: list[float], prefix_tokens: int, padded_tokens: int) -> Measured:
        total = math.fsum(terms)
        return cls(
            total / len(terms),
            total,
            min(terms),
            row.num_target,
            len(row.ids),
            prefix_tokens,
            padded_tokens,
            row.border,
            terms,
        )


FINISH_EVERY_S = 2.0  # rows of slow models do not wait longer than this for their head
Batch = list[tuple[int, Measured]]


def measure(
    forcing: TeacherForcing, rows: Sequence[Encoded], budget: Budget, batch_size: int | None
) -> Iterator[Batch]:
    """Yield (index into `rows`, measurement), many rows at a time, in order of length.

    A forward pass has at most `batch_size` rows (None: any number) and, unless it is one row, the tokens of `budget`
    with padding; one row where the model has not been proved right with more. Rows that do not begin with the shared
    prefix are computed without it.
    """
    batch_size = batch_size if forcing.is_batched else 1
    past = len(forcing.prefix)
    shared = [i for i, row in enumerate(rows) if past and can_share(row, forcing.prefix)]
    alone = sorted(set(range(len(rows))) - set(shared))
    if shared:
        yield from _measure(forcing, rows, shared, past, budget, batch_size)
    if alone:
        with forcing.without_prefix():
            yield from _measure(forcing, rows, alone, 0, budget, batch_size)


def share_prefix(
    forcing: TeacherForcing, rows: Sequence[Encoded], use_prefix: bool = True, packs: bool = False
) -> None:
    """Find out what `rows` share and which shortcuts are right for the model; once, before the first `measure`."""
    if rows:
        prove(forcing, rows, common_prefix(rows) if use_prefix else [], packs)


def _measure(
    forcing: TeacherForcing,
    rows: Sequence[Encoded],
    chosen: list[int],
    past: int,
    budget: Budget,
    batch_size: int | None,
) -> Iterator[Batch]:
    order = sorted(chosen, key=lambda i: (-len(rows[i].ids), i))
    seam = 0
    if not budget.is_settled:  # trials on rows of like length: the longest would speak against the first candidates
        middle = len(order) // 2
        order, seam = order[middle:] + order[:middle], len(order) - middle
    waiting: list[tuple[list[int], int, torch.Tensor]] = []  # batches whose head is still to come
    num_waiting = start = 0
    finished = time.perf_counter()
    while start < len(order):
        width = len(rows[order[start]].ids) - forcing.is_batched - past  # the longest of its batch
        limit = min((seam if start < seam else len(order)) - start, batch_size or len(order))
        began = time.perf_counter()
        count, states = within_memory(
            order[start : start + limit],
            budget,
            lambda tokens, width=width, limit=limit: max(1, min(limit, tokens // width)),
            lambda batch: _run(forcing, [rows[i] for i in batch]),
        )
        if not budget.is_settled:
            if states.is_cuda:
                torch.cuda.synchronize()
            budget.record(count * width, time.perf_counter() - began)
        batch = order[start : start + count]
        start += count
        waiting.append((batch, width, states))
        num_waiting += len(states)
        if num_waiting >= HEAD_ROWS or start == len(order) or time.perf_counter() - finished >= FINISH_EVERY_S:
            yield _finish(forcing, rows, waiting, past)
            waiting, num_waiting, finished = [], 0, time.perf_counter()


def _run(forcing: TeacherForcing, batch: Sequence[Encoded]) -> torch.Tensor:
    return forcing.hidden(batch) if forcing.is_split else forcing.whole(batch)


def _finish(
    forcing: TeacherForcing, rows: Sequence[Encoded], waiting: list[tuple[list[int], int, torch.Tensor]], past: int
) -> Batch:
    """From hidden states (or log-probabilities, where the model was run whole) to the rows' measurements."""
    logprobs, found, start = _logprobs(forcing, rows, waiting), [], 0
    for batch, width, _ in waiting:
        for i in batch:
            row = rows[i]
            terms = logprobs[start : start + row.num_target]
            start += row.num_target
            padded = width - (len(row.ids) - 1 - past)
            found.append((i, Measured.of(row, terms, past, padded)))
    return found


def _logprobs(
    forcing: TeacherForcing, rows: Sequence[Encoded], waiting: list[tuple[list[int], int, torch.Tensor]]
) -> list[float]:
    states = [states for _, _, states in waiting]
    if not forcing.is_split:
        return torch.cat(states).tolist()
    ids = [token for batch, _, _ in waiting for i in batch for token in rows[i].ids[-rows[i].num_target :]]
    try:
        states = [torch.cat(states)] if len(states) > 1 else states  # one head for many small batches
    except RuntimeError as error:  # one after the other, then
        if not is_out_of_memory(error):
            raise
    targets = torch.tensor(ids, device=states[0].device).split([len(part) for part in states])
    return torch.cat([forcing.logprobs(part, own) for part, own in zip(states, targets, strict=True)]).tolist()
