"""How far a measured confidence may move: what other batch sizes, ranks or hardware change of it."""

from __future__ import annotations

import numpy as np

NEAR = 1e-5  # of a confidence s, and of max(1, |v|) for v = ln s where a rule works with logarithms


def log_bounds(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest value of each ln s, shape (n,), within NEAR * max(1, |ln s|)."""
    slack = NEAR * np.maximum(1.0, np.abs(logs))
    return logs - slack, logs + slack


def confidence_bounds(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest ln s of each row, shape (n,), with s within NEAR; ln 0 is -inf.

    Where s is of sums over the target it can be too small for a float, and differ by less than NEAR in all rows: ln s
    is then taken within NEAR * max(1, |ln s|).
    """
    logs = columns["log_confidence"]
    if "sum_logprob" in columns:
        return log_bounds(logs)
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(np.exp(logs) - NEAR, 0.0)), np.log(np.exp(logs) + NEAR)
