"""Grades the cases of `cases()` inside one rank of torch.distributed.run and writes its verdicts: python FOLDER as argument."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import astuple
from pathlib import Path

import torch.distributed as dist

from tests.fuzz_completions import fuzzed
from ufo_rl.grader.math import MathGrader

LIMIT_S = 60.0  # no case needs it: verdicts must not depend on how busy the machine is


def cases() -> list[tuple[str, str, bool]]:
    """Gold, completion and expected verdict: 100 that our own rules decide, 20 for math-verify, 90 hostile ones."""
    formulas = [
        (rf"{n}x+\frac{{1}}{{{n}}}", rf"so \boxed{{\frac{{{n + n % 2}x^2+x/{n}}}{{x}}}}", n % 2 == 0)
        for n in range(2, 102)
    ]
    integrals = [
        (rf"\int_0^1 {n}x dx", rf"\boxed{{\frac{{{n + n % 2}}}{{2}}}}", n % 2 == 0) for n in range(2, 22)
    ]  # of n x: n / 2
    return formulas + integrals + [(row.gold, row.completion, row.is_right) for row in fuzzed(90, seed=3)]


def handlers() -> dict[int, str]:
    """What each signal does, in words."""
    return {number: repr(signal.getsignal(number)) for number in signal.valid_signals()}


def main(folder: Path) -> None:
    dist.init_process_group("gloo")
    before, grader = handlers(), MathGrader(LIMIT_S, max_chars=2000)
    golds, completions, _ = zip(*cases(), strict=True)
    graded = [astuple(one) for one in grader.grade_all(golds, completions)]
    record = {"graded": graded, "num_children": grader._verifier.num_children, "is_unchanged": handlers() == before}
    grader.close()
    (folder / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(record))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
