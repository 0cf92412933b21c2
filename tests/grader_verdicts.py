"""Golds of real benchmarks, their neighbours, and the digest of the grader's verdicts on them and on the labelled cases.

`UFO_RL_DATA=FOLDER python -m tests.grader_verdicts` prints the digest that test_grader_golds.py pins.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ufo_rl.grader.math.answer import Grader
from ufo_rl.grader.math.formula.rational import rational
from ufo_rl.grader.math.text.extract import extract
from ufo_rl.grader.math.text.normal import normalise

REPLACED = (
    *((r"\pm", "+"), ("+", "-"), (r"\le ", "<"), (r"\leq", "<"), ("<", r"\le "), (r"\ge ", ">"), (r"\geq", ">")),
    *((r"\cup", r"\cap"), (r"\sin", r"\cos"), (r"\pi", "e")),
)
OTHER_BRACKET = {"(": "[", "[": "(", ")": "]", "]": ")"}


def golds_of(data: Path) -> dict[str, list[str]]:
    """The reference answers of seven benchmarks, by name, as the files have them."""

    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (data / f"{name}.jsonl").read_text().splitlines()]

    return {
        "math500": [row["answer"] for row in rows("math500_test")],
        "gsm8k": [row["answer"].rpartition("####")[2].strip() for row in rows("gsm8k_test")],
        "olympiadbench": [row["final_answer"][0] for row in rows("olympiadbench_test")],
        "minerva": [extract(row["solution"]) for row in rows("minerva_math_test")],
        "aime24": [row["answer"] for row in rows("aime24_test")],
        "aime25": [row["answer"] for row in rows("aime25_test")],
        "amc23": [str(row["answer"]) for row in rows("amc23_test")],
    }


def neighbours(gold: str) -> Iterator[str]:
    """The gold with a digit, a sign, a relation or a bracket changed, two items swapped, one more or one fewer."""
    digits = [match.start() for match in re.finditer(r"\d", gold)]
    for at in sorted({*digits[:1], *digits[-1:], *digits[len(digits) // 2 :][:1]}):
        yield gold[:at] + str((int(gold[at]) + 1) % 10) + gold[at + 1 :]
    yield gold[1:] if gold.startswith("-") else "-" + gold
    if (at := gold.find("-", 1)) > 0:
        yield gold[:at] + "+" + gold[at + 1 :]
    yield from (gold.replace(old, new, 1) for old, new in REPLACED if old in gold)
    if match := re.fullmatch(r"((?:\\left)?)([(\[])(.*,.*)([)\]])", gold):
        yield f"{match[1]}{OTHER_BRACKET[match[2]]}{match[3]}{match[4]}"
        yield f"{match[1]}{match[2]}{match[3]}{OTHER_BRACKET[match[4]]}"
    if match := re.fullmatch(r"\(([^(),]*),([^(),]*)(.*)\)", gold):
        yield f"({match[2]},{match[1]}{match[3]})"
    yield re.sub(r"frac\{(\w+)\}\{(\w+)\}", r"frac{\2}{\1}", gold, count=1)
    yield gold + ", 7919"
    yield gold + " or 7919"
    if not re.fullmatch(r"\d{1,3}(,\d{3})+", gold):
        yield re.sub(r",[^(){}\[\],]*$", "", gold)


def neighbour_pairs(golds: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Every gold with every neighbour that is another text."""
    flat = [gold for some in golds.values() for gold in some]
    return [(gold, near) for gold in flat for near in dict.fromkeys(neighbours(gold)) if near != gold]


def decimals(value: Fraction) -> list[str]:
    """A value at six places and six significant digits or more: rounded, and one off from what may be written there."""
    places = max(6, 5 - math.floor(math.log10(abs(value))))
    cut, rounded = math.floor(abs(value) * 10**places), round(abs(value) * 10**places)
    sign = "-" if value < 0 else ""
    return [f"{sign}{n // 10**places}.{n % 10**places:0{places}d}" for n in (rounded, cut - 1, rounded + 1)]


def decimal_pairs(golds: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Every gold that is a fraction, in the benchmarks that have some, with its three decimals."""
    return [
        (gold, decimal)
        for name in ("math500", "minerva", "olympiadbench")
        for gold in golds[name]
        if re.search("/|frac", gold) and (value := rational(normalise(gold))) is not None and value.denominator > 1
        for decimal in decimals(value)
    ]


def digest(grader: Grader, data: Path) -> str:
    """Of the verdicts, right or wrong, on all labelled cases, all neighbours and all decimals."""
    cases = [json.loads(line) for line in (data / "grader_cases.jsonl").read_text().splitlines()]
    pairs = [(case["gold"], case["completion"]) for case in cases]
    golds = golds_of(data)
    pairs += [(gold, rf"\boxed{{{other}}}") for gold, other in neighbour_pairs(golds) + decimal_pairs(golds)]
    verdicts = "".join("01"[one.correct] for one in grader.grade_all(*zip(*pairs, strict=True)))
    return hashlib.sha256(verdicts.encode()).hexdigest()[:16]


if __name__ == "__main__":
    sys.stdout.write(digest(Grader(time_limit_s=30, max_chars=2000), Path(os.environ["UFO_RL_DATA"])) + "\n")
