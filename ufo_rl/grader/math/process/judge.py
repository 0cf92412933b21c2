"""The grader's child process: our own comparison, and math-verify where that does not decide; or a grader of others.

One JSON question a line on stdin, one JSON verdict a line on stdout, until stdin ends; bounded in memory and time.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from typing import IO, Any

from ufo_rl.grader.math.process.other import other_judge
from ufo_rl.grader.math.process.verdict import Verdict

# Address space. An ordinary child has 0.07 GiB; a question that wants thirty times as much would not end in time either.
MEMORY_LIMIT_BYTES = 2 << 30
# The system ends a child at its limit of CPU time, even inside a C call. The parent ends one that waits for something, at
# the backstop on the wall clock; where the parent is gone, the child's own alarm does.
GRACE_S = 5.0
START_LIMIT_S = 60.0  # CPU time of the imports; ours take a second
# A chain of 2,000 signs is a tree of a thousand levels, two calls each; Python allows a thousand calls.
MAX_CALLS = 10_000

# math-verify rounds floats to so many places. Its own choice is six, which makes 0.5000001 the integral of x from 0 to 1;
# a float has fifteen.
FLOAT_PLACES = 14

# An expression of numbers and operators only.
PLAIN = re.compile(r"[\d\s.,+*/^()\u00d7\u00f7-]+")


def main(time_limit_s: float, backstop_s: float, other: str = "") -> None:
    """Serves `other` (see other.py), or our own comparison where that is empty. A question may take `time_limit_s` seconds
    of CPU time and `backstop_s` of the wall clock.

    Questions are {"gold", "answer", "relative_tolerance", "is_ordered"}; relative_tolerance is null for exact answers, and
    both are nothing to others.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not look like a verdict
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(MAX_CALLS)
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # it ends the process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.setitimer(signal.ITIMER_PROF, START_LIMIT_S)
    try:
        judge = other_judge(other) if other else judge_of_all()
    except Exception as err:  # a module of the user's may raise anything
        _send(replies, {"error": f"{type(err).__name__}: {err}"})
        return
    signal.setitimer(signal.ITIMER_PROF, 0)
    _send(replies, {"ready": True})
    for line in sys.stdin:
        question = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, time_limit_s)  # CPU time: what else the machine computes does not count
        signal.setitimer(signal.ITIMER_REAL, backstop_s + GRACE_S)
        try:
            verdict = judge(**question)
        except Exception as err:
            verdict = Verdict(False, f"crash: {type(err).__name__}")
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(replies, {"equal": verdict.equal, "reason": verdict.reason, "method": verdict.method})


def _send(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")


def judge_of_all() -> Callable[..., Verdict]:
    """A function (gold, answer, relative_tolerance, is_ordered) -> Verdict; everything is imported and warmed up here."""
    from ufo_rl.grader.math.equivalence import same
    from ufo_rl.grader.math.nearly_equal import nearly_same
    from ufo_rl.grader.math.process.gate import verdict_without
    from ufo_rl.grader.math.shapes.sequences import pairs_in_order
    from ufo_rl.grader.math.text.normal import normalise

    math_verify = _math_verify()

    def judge(gold: str, answer: str, relative_tolerance: float | None, is_ordered: bool) -> Verdict:
        verdict = same(gold, answer, is_ordered)
        if not verdict and relative_tolerance is not None and nearly_same(gold, answer, relative_tolerance):
            return Verdict(True, method="tolerance")
        if verdict is not None:
            return Verdict(verdict, method="formula")
        reference, candidate = normalise(gold), normalise(answer)
        if is_ordered and (pairs := pairs_in_order(reference, candidate)):  # math-verify takes a list for a set
            verdicts = (judge(one, other, None, True) for one, other in pairs)
            return next((one for one in verdicts if not one.equal), Verdict(True))
        return verdict_without(reference, candidate) or math_verify(reference, candidate)

    judge(r"\frac{1}{2}", "0.5", None, False)
    return judge


def _math_verify() -> Callable[[str, str], Verdict]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
    from sympy import Basic

    from ufo_rl.grader.math.formula.decimals import DECIMAL, from_sympy, stands_for

    def parsed(text: str) -> list[Any]:
        # Delimited text is read as one expression; bare text would be searched for any number in it. For the same reason
        # the second reader, of plain sums such as `2**(1/4)`, sees nothing that holds a letter.
        readers = [LatexExtractionConfig(), ExprExtractionConfig()][: 2 if PLAIN.fullmatch(text) else 1]
        return parse("$" + " ".join(text.split()) + "$", readers, parsing_timeout=0)

    def judge(gold: str, answer: str) -> Verdict:
        reference, candidate = parsed(gold), parsed(answer)
        for decimal, other, found in ((gold, answer, candidate), (answer, gold, reference)):
            if DECIMAL.fullmatch(decimal) and not DECIMAL.fullmatch(other) and found and isinstance(found[0], Basic):
                value = from_sympy(found[0])
                if value is not None:
                    return Verdict(stands_for(decimal, value))
        if verify(reference, candidate, float_rounding=FLOAT_PLACES, timeout_seconds=0):
            return Verdict(True)
        for what, found in (("reference", reference), ("answer", candidate)):
            if all(isinstance(item, str) for item in found):
                return Verdict(False, f"unparsed: math-verify cannot read the {what}")
        return Verdict(False)

    judge(r"\frac{1}{2}", "0.5")
    return judge


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
