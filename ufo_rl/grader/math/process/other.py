"""Graders of others, for an audit: they answer in child processes of the same kind as ours."""

from __future__ import annotations

import importlib
import operator
import os
import sys
from collections.abc import Callable
from typing import Any

from ufo_rl.grader.math.process.verdict import Verdict

MATH_VERIFY = "math_verify"


def other_judge(name: str) -> Callable[..., Verdict]:
    """A function (gold, answer=completion, ...) -> Verdict: `math_verify` as its README shows, or `package.module:function`.

    The module may lie in the current folder. What the import raises comes through; AttributeError for a missing function,
    TypeError for what cannot be called.
    """
    if name == MATH_VERIFY:
        return _math_verify()
    module, _, function = name.partition(":")
    sys.path.insert(0, os.getcwd())
    is_right = operator.attrgetter(function)(importlib.import_module(module))
    if not callable(is_right):
        raise TypeError(f"{function} is no function")

    def judge(gold: str, answer: str, **settings: Any) -> Verdict:
        found = is_right(gold, answer)
        if found not in (True, False):  # 1.0 is true; a score of 0.5 or a dict would be a guess
            return Verdict(False, f"crash: it returned {found!r:.40}, not true or false")
        return Verdict(bool(found), method=name)

    return judge


def _math_verify() -> Callable[..., Verdict]:
    from math_verify import parse, verify

    def judge(gold: str, answer: str, **settings: Any) -> Verdict:
        # Its own time limits are off: they stop no C call, and count the wall clock.
        reference, found = (parse(text, parsing_timeout=0) for text in (f"${gold}$", answer))
        return Verdict(verify(reference, found, timeout_seconds=0), method=MATH_VERIFY)

    judge(r"\frac{1}{2}", "0.5")
    return judge
