"""The verdict on one question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """`equal` is false whenever `reason` is not empty: `unparsed: ...`, `timeout: ...` (its CPU time was used up),
    `stalled: ...` (it waited, or got no CPU time, twice) or `crash: ...`. `method` is what decided: `formula` (ours),
    `math_verify`, or `tolerance` for numbers that are nearly equal where that is asked for."""

    equal: bool
    reason: str = ""
    method: str = "math_verify"
