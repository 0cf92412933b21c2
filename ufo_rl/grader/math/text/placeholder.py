"""Contents of a marker that answer nothing: an empty box, dots or a blank to be filled in, the words of the instruction."""

from __future__ import annotations

import re

MAX_CHARS = 200  # of a blank: boxes within boxes are long, and each is looked at
BLANK = (
    r"[\s.\u2026\u22ef\u3002?\uff1f_~$*{}]|\\(?:[ ,;:!_]|(?:l|c|v|d)?dots[cb]?|cdot|q?quad|square|Box|text|boxed|fbox)"
    r"(?![A-Za-z])"
)
PLACEHOLDER = re.compile(
    rf"(?:{BLANK})*+(?:(?i:(?:(?:your|the|final)\s+)*answer(?:\s+here)?)(?:{BLANK})*+)?", re.IGNORECASE
)
EMPTY_BOX = re.compile(rf"\\boxed\s*\{{(?:{BLANK.replace('{}', '')})*+\}}")

EXAMPLES = (
    (EMPTY_BOX, r"7 \boxed{\ldots}", r"\boxed{\ldots}"),
    (EMPTY_BOX, r"\boxed{7}", None),
    (PLACEHOLDER, r"\ldots", r"\ldots"),
    (PLACEHOLDER, r"\text{your answer}", r"\text{your answer}"),
    (PLACEHOLDER, r"\{\}", ""),  # the empty set
    (PLACEHOLDER, "7", ""),
)


def is_placeholder(content: str) -> bool:
    """Whether nothing that could be an answer stands in a marker."""
    return len(content) <= MAX_CHARS and PLACEHOLDER.fullmatch(content) is not None


def without_empty_boxes(text: str) -> str:
    """An empty box is no part of the sentence that it stands in either."""
    return EMPTY_BOX.sub("", text) if r"\boxed" in text else text
