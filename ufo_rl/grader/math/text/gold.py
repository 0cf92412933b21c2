"""Whether a reference answer can be graded at all; loaders refuse a row whose answer cannot."""

from __future__ import annotations

import json
import re

from ufo_rl.grader.math.text.extract import extract
from ufo_rl.grader.math.text.normal import normalise
from ufo_rl.grader.math.text.placeholder import is_placeholder

# As long as the longest answer that grader.max_chars lets through by default.
MAX_CHARS = 2000
# Which needs no closer look: most golds of a training set are numbers.
PLAIN_NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")

# JSON, or what Python prints: a table's cell that was an object once.
OBJECT = re.compile(r"""(?P<list>\[\s*)?\{\s*(?P<quote>["'])(?P<key>[^"']*)(?P=quote)\s*:.*\}\s*\]?""", re.DOTALL)
# The same once more as JSON text, with a backslash before each quote.
ESCAPED = re.compile(r"""\"\s*(?:\[\s*)?\{\s*\\\".*\}\s*\]?\s*\"""", re.DOTALL)
ARRAY = re.compile(r"array\(\[.*\](?:, dtype=\S+)?\)", re.DOTALL)

EXAMPLES = (
    (PLAIN_NUMBER, "-1,080.5", "-1,080.5"),
    (OBJECT, '{"ground_truth": "148"}', '{"ground_truth": "148"}'),
    (OBJECT, "[{'a': 1}, {'b': 2}]", "[{'a': 1}, {'b': 2}]"),
    (ESCAPED, r'"{\"gt\": \"148\"}"', r'"{\"gt\": \"148\"}"'),
    (ARRAY, "array(['148'], dtype=object)", "array(['148'], dtype=object)"),
)


def problem_of(gold: str) -> str:
    r"""Why no completion could be graded right against `gold`, or "" if one can.

    A right completion is at least `\boxed{gold}`, so the gold must come back from it, and something of it must be left
    after normalisation. Tens of microseconds, one for plain numbers: made for whole training sets.
    """
    gold = gold.strip()
    if not gold:
        return "it is empty"
    if len(gold) > MAX_CHARS:
        return f"it has {len(gold)} characters, the limit is {MAX_CHARS}"
    if PLAIN_NUMBER.fullmatch(gold):
        return ""
    if ARRAY.fullmatch(gold):
        return "it is what Python prints of an array; store its elements, or the bare answer"
    if ESCAPED.fullmatch(gold):
        gold = _decoded(gold)
    if written := OBJECT.fullmatch(gold):
        path = ("0." if written["list"] else "") + written["key"]
        return f'it is JSON text, an object with the key "{written["key"]}"; name a path into its column, COLUMN.{path}'
    found = extract(f"\\boxed{{{gold}}}")
    if not found and is_placeholder(gold):
        return "nothing but marks, dots and spaces"
    if found != gold:
        return f'inside \\boxed{{}} it reads as "{found}"' if found else "its braces do not balance"
    return "" if normalise(gold) else "nothing but marks and spaces"


def _decoded(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text
