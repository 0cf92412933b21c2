"""Golds of real benchmarks, their neighbours, and the pinned verdicts of the grader on them and on the labelled cases.

`UFO_RL_DATA=FOLDER python -m tests.grader_verdicts` writes data/verdicts.txt, which test_grader_golds.py compares with; the
pairs stand in it as digests, since their texts belong to the benchmarks.
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

from ufo_rl.grader.math import MathGrader
from ufo_rl.grader.math.formula.rational import rational
from ufo_rl.grader.math.text.extract import extract
from ufo_rl.grader.math.text.normal import normalise

REPLACED = (
    *((r"\pm", "+"), ("+", "-"), (r"\le ", "<"), (r"\leq", "<"), ("<", r"\le "), (r"\ge ", ">"), (r"\geq", ">")),
    *((r"\cup", r"\cap"), (r"\sin", r"\cos"), (r"\pi", "e")),
)
PINNED = Path(__file__).parent / "data" / "verdicts.txt"
MAX_NAMED = 20
Pair = tuple[str, str]
Verdicts = dict[str, bool]
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


def pinned_pairs(data: Path) -> list[Pair]:
    """Gold and completion of all labelled cases, all neighbours and all decimals, each once."""
    cases = [json.loads(line) for line in (data / "grader_cases.jsonl").read_text().splitlines()]
    golds = golds_of(data)
    boxed = [(gold, rf"\boxed{{{other}}}") for gold, other in neighbour_pairs(golds) + decimal_pairs(golds)]
    return list(dict.fromkeys([*((case["gold"], case["completion"]) for case in cases), *boxed]))


def key(pair: Pair) -> str:
    """Ten hex digits: that two of 9,186 pairs share them has a chance of 1 in 26,000."""
    return hashlib.sha256(json.dumps(pair).encode()).hexdigest()[:10]


def read_pinned(path: Path = PINNED) -> tuple[str, Verdicts]:
    """The version of the grader and its verdicts by `key`."""
    version, *lines = path.read_text().splitlines()
    return version.removeprefix("version "), {line[:10]: line[11:] == "right" for line in lines}


def changes(pairs: list[Pair], found: list[bool], pinned: Verdicts) -> str:
    """The first pairs whose verdict is not the pinned one, and how many there are; "" if there is none."""
    words = {True: "right", False: "wrong", None: "not pinned"}
    lines = [
        f"  gold {pair[0]!r}, completion {pair[1][-200:]!r}: {words[pinned.get(key(pair))]} -> {words[verdict]}"
        for pair, verdict in zip(pairs, found, strict=True)
        if pinned.get(key(pair)) is not verdict
    ]
    lines += [f"  pair {gone}: no longer among the pairs" for gone in sorted(pinned.keys() - set(map(key, pairs)))]
    rest = f"\n  and {len(lines) - MAX_NAMED} more" if len(lines) > MAX_NAMED else ""
    return f"{len(lines)} verdicts changed:\n" + "\n".join(lines[:MAX_NAMED]) + rest if lines else ""


def main(data: Path) -> str:
    """Pins the verdicts; refuses to pin others under the version that is pinned already."""
    grader, pairs = MathGrader(time_limit_s=30, max_chars=2000), pinned_pairs(data)
    found = [one.correct for one in grader.grade_all(*zip(*pairs, strict=True))]
    version, pinned = read_pinned() if PINNED.is_file() else ("", {})
    changed = changes(pairs, found, pinned)
    if changed and version == str(grader.version):
        raise SystemExit(
            f"{changed}\nRaise MathGrader.version first: stored verdicts of {version} must not be used again."
        )
    verdicts = sorted(
        f"{key(pair)} {'right' if verdict else 'wrong'}" for pair, verdict in zip(pairs, found, strict=True)
    )
    PINNED.parent.mkdir(exist_ok=True)
    PINNED.write_text("\n".join([f"version {grader.version}", *verdicts]) + "\n")
    return f"{changed or 'no verdict changed'}\n{PINNED.name}: {len(verdicts)} verdicts of version {grader.version}\n"


if __name__ == "__main__":
    sys.stdout.write(main(Path(os.environ["UFO_RL_DATA"])))
