r"""A batch of GRPO: 128 questions of GSM8K and MATH, 8 completions of some 300 tokens each, about half of them right.

Of a question's eight, four end in its answer; four hold another number, no marker, an unfinished one, or words around it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

NUM_QUESTIONS, NUM_SAMPLES = 128, 8
CHARS = 1200  # about 300 tokens
FORMS = ("<think> {text} </think>\n<answer> {answer} </answer>", "{text}\nThe final answer is $\\boxed{{{answer}}}$.")
OTHER_FORMS = (
    "{text}\n#### {answer}",
    "<think> {text} </think>\n<answer> The answer is {answer} units. </answer>",
    "{text}\nSo it must be {answer}",
    "<think> {text} </think>\n<answer> {answer}",
    "{text}\nAnswer: x = {answer}",
    "<think> {text}",
)


def batch(data: Path, seed: int) -> list[tuple[str, str]]:
    """1,024 pairs of gold and completion, every completion another text."""
    random = Random(seed)
    rows = random.sample(_gsm8k(data), NUM_QUESTIONS // 2) + random.sample(_math(data), NUM_QUESTIONS // 2)
    words = " ".join(solution for _, solution in rows).split()
    return [
        (gold, _completion(random, gold, words, is_right, is_plain))
        for gold, _ in rows
        for is_right, is_plain in ((n < 4, n % 4 < 3 if n < 4 else n % 4 < 2) for n in range(NUM_SAMPLES))
    ]


def _completion(random: Random, gold: str, words: list[str], is_right: bool, is_plain: bool) -> str:
    start = random.randrange(len(words))
    text = " ".join((words * 2)[start : start + CHARS // 4])[: random.randrange(CHARS - 400, CHARS + 400)]
    answer = gold if is_right else _changed(random, gold)
    return random.choice(FORMS if is_plain else OTHER_FORMS).format(text=text, answer=answer)


def _changed(random: Random, gold: str) -> str:
    digits = [at for at, sign in enumerate(gold) if sign.isdigit()]
    if not digits:
        return str(random.randrange(100))
    at = random.choice(digits)
    return gold[:at] + str((int(gold[at]) + random.randrange(1, 10)) % 10) + gold[at + 1 :]


def _gsm8k(data: Path) -> list[tuple[str, str]]:
    rows = (json.loads(line)["answer"] for line in (data / "gsm8k_test.jsonl").read_text().splitlines())
    return [(_gold(row), re.sub(r"<<.*?>>|####.*", "", row)) for row in rows]


def _gold(row: str) -> str:
    return row.partition("#### ")[2].strip().replace(",", "")


def _math(data: Path) -> list[tuple[str, str]]:
    """The solutions hold no marker of their own: it would be the answer."""
    rows = [json.loads(line) for line in (data / "math500_test.jsonl").read_text().splitlines()]
    return [(row["answer"], re.sub(r"\\boxed|\bans\w+", "", row["solution"])) for row in rows]
