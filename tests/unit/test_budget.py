"""Batch sizes: found by timing, and halved where memory runs out."""

from __future__ import annotations

import pytest
import torch

from ufo_rl.errors import UserError
from ufo_rl.signals.confidence.budget import CANDIDATES, Budget, within_memory


def tune(speeds: dict[int, float]) -> int:
    """The budget that is settled on by a machine that computes so many tokens a second at each budget."""
    budget = Budget(None, "cpu")
    while not budget.is_settled:
        budget.record(budget.tokens, budget.tokens / speeds[budget.tokens])
    return budget.tokens


def test_the_fastest_is_chosen() -> None:
    rising = {tokens: float(tokens) for tokens in CANDIDATES["cpu"]}
    assert tune(rising) == CANDIDATES["cpu"][-1]
    assert tune({512: 100.0, 1024: 130.0, 2048: 120.0, 4096: 90.0}) == 1024  # 8192 is not tried any more


def test_the_first_batch_only_warms_up() -> None:
    budget = Budget(None, "cpu")
    budget.record(512, 100.0)
    for _ in range(3):
        budget.record(512, 1.0)
    assert budget.tokens == 1024  # 512 tokens a second, not 5


def test_a_given_budget_is_kept() -> None:
    budget = Budget(300, "cpu")
    assert budget.is_settled and budget.tokens == 300
    budget.record(300, 1.0)
    assert budget.tokens == 300


def out_of_memory() -> RuntimeError:
    """What the CPU's allocator says: no machine has this much."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    return caught.value


def run(rows: list[int], most: int, budget: Budget) -> list[list[int]]:
    """Batches of rows of one token each, on a machine that holds `most` of them."""
    done: list[list[int]] = []
    tried = 0

    def work(batch: list[int]) -> list[int]:
        nonlocal tried
        tried += 1
        if len(batch) > most:
            raise out_of_memory()
        return list(batch)

    while rows:
        count, result = within_memory(rows, budget, lambda tokens: max(1, tokens), work)
        done.append(result)
        rows = rows[count:]
    return done


def test_running_out_of_memory_halves_and_goes_on() -> None:
    budget = Budget(64, "cpu")
    assert run(list(range(100)), 20, budget) == [list(range(a, min(a + 16, 100))) for a in range(0, 100, 16)]
    assert budget.tokens == 16
    tuning = Budget(None, "cpu")
    assert [row for batch in run(list(range(5000)), 300, tuning) for row in batch] == list(range(5000))
    assert tuning.is_settled and tuning.tokens == 256


def test_one_row_that_does_not_fit_is_told() -> None:
    with pytest.raises(UserError, match="one prompt alone does not fit into memory"):
        run([1, 2, 3], 0, Budget(64, "cpu"))


def test_other_errors_are_not_swallowed() -> None:
    def fail(batch: list[int]) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        within_memory([1, 2], Budget(64, "cpu"), lambda tokens: 2, fail)
