r"""Pieces of patterns that many rules share.

`START` and `END` keep a rule for `in` away from `sin`, `\in` and `inch`; a normalised text has no other marks of a word.
"""

from __future__ import annotations

import re

START = r"(?<![A-Za-z\\])"  # neither inside a word nor behind the backslash of a command
END = r"(?![A-Za-z])"
NAME = r"\\?[A-Za-z]+(?:_\{?\w+\}?)?"  # an unknown: x, \alpha, a_1, a_{10}
TEXT = re.compile(r"\\text\{([^{}]*)\}")

EXAMPLES = (
    (re.compile(START + "in"), "sin inch", "in"),
    (re.compile("in" + END), "inch sin", "in"),
    (re.compile(NAME), r"\alpha_{12}+1", r"\alpha_{12}"),
    (TEXT, r"5\text{ cm}^2", r"\text{ cm}"),
)
