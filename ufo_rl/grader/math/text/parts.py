"""The answers of a task in parts: (a), (b), (c), each with a box of its own."""

from __future__ import annotations

import re

from ufo_rl.grader.math.text.boxes import boxes
from ufo_rl.grader.math.text.placeholder import is_placeholder

PART = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*)?(?:[-*][ \t]+)?[*_]{0,2}(?:(?:[Pp]art|PART|Teil|Partie|Parte|Inciso|\u7b2c|Question)[ \t]*)?"
    r"[(\uff08]?(?P<name>[a-h]|i{1,3}|iv|vi{0,3}|[1-9])(?:[)\uff09]|[.:\uff1a]|[*_]{2}|(?=\s))",
    re.MULTILINE,
)
NAMES = (tuple("abcdefgh"), tuple("123456789"), ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"))
MAX_LABELS, MAX_BOXES = 64, 256  # a task has few parts; each label looks at each box

EXAMPLES = (
    (PART, "**(b)** Then", "**(b)"),
    (PART, "### Part a: the area", "### Part a:"),
    (PART, "a5 is", None),
)


def boxes_of_parts(text: str) -> list[str]:
    """The last box of each part, in order; [] where the parts that have one are not named in a row from the first on."""
    found = [(end, content.strip()) for end, content in boxes(text) if not is_placeholder(content)]
    labels = list(PART.finditer(text))[-MAX_LABELS:] if 1 < len(found) <= MAX_BOXES else []
    ends = [*(label.start() for label in labels[1:]), len(text)][: len(labels)]
    names, answers = [], []
    for label, end in zip(labels, ends, strict=True):
        inside = [content for at, content in found if label.end() < at <= end]
        if inside:
            names.append(label["name"])
            answers.append(inside[-1])
    is_in_row = len(names) > 1 and any(tuple(names) == row[: len(names)] for row in NAMES)
    return answers if is_in_row else []
