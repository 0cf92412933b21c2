"""The grader: is the final answer of a completion the reference answer? Training and evaluation share it."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from ufo_rl.records import Graded
from ufo_rl.reward.compare import num_items
from ufo_rl.reward.extract import extract, extract_list
from ufo_rl.reward.verifier import Verifier

# In the keys of stored verdicts: raise it when a verdict changes.
VERSION = 2

# What changes the look of an answer and never its meaning.
SPELLINGS = (
    (re.compile(r"\\[dt]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:left|right)(?![A-Za-z])\.?"), ""),
    (re.compile(r"(?<=\d)(?:\{,\}|\\[,!]|,\\! ?)(?=\d{3})"), ","),
    (re.compile(r"(?<!\\)\\[!,;: ]|~"), " "),
    (re.compile("\u2212"), "-"),
    (re.compile(r"\s+"), " "),
    # Not in `3, 450`, a list that must not become the number 3,450.
    (re.compile(r"(?<![0-9A-Za-z,]) | (?![0-9A-Za-z])|(?<=,) (?!\d)"), ""),
)
DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"))

# Up to 4,000 digits: Python refuses to read longer integers, and no answer is that long.
INTEGER = r"(?:\d{1,3}(?:,\d{3})+|\d{1,4000})"
NUMBER = re.compile(rf"(?P<sign>[+-]?)(?:\\\$|\$)?(?P<whole>{INTEGER})?(?:\.(?P<decimals>\d{{0,4000}}))?")
QUOTIENT = re.compile(
    rf"(?P<sign>[+-]?)(?:\\frac\{{(?P<top>-?{INTEGER})\}}\{{(?P<bottom>-?{INTEGER})\}}"
    rf"|(?P<over>{INTEGER})/(?P<under>{INTEGER}))"
)
PERCENT = re.compile(r"(?:\\?%| ?percent|\\text\{percent\})$")


class Grader:
    """Grades completions, each within about `time_limit_s` seconds. Thread-safe; the verifier starts when first needed.

    time_limit_s: wall-clock seconds math-verify may take for one question, > 0.
    max_chars: longest answer math-verify is asked about, in characters, >= 1; longer ones count as unparsed unless
        they equal the reference as text or number.
    """

    def __init__(self, time_limit_s: float, max_chars: int) -> None:
        problems = []
        if not time_limit_s > 0:
            problems.append(f"time_limit_s must be above 0 seconds, got {time_limit_s}")
        if max_chars < 1:
            problems.append(f"max_chars must be at least 1 character, got {max_chars}")
        if problems:
            raise ValueError("; ".join(problems))
        self.max_chars = max_chars
        self._verifier = Verifier(time_limit_s)

    def grade(self, gold: str, completion: str) -> Graded:
        """The verdict on one completion against the bare reference answer `gold`.

        In this order: no final answer (wrong, `unparsed`), same text (`exact`), two exact rationals (`number`, decides
        both ways), formulas and what is built of them (`formula`), math-verify. Several boxes on one line are one list if the
        gold is a list. A timeout, a crash and what cannot be parsed are wrong, each with its reason.
        """
        extracted = extract(completion)
        if not extracted:
            return Graded(False, "", "none", "unparsed: no final answer")
        graded = self._grade(gold, extracted)
        if not graded.correct and (boxes := extract_list(completion)) and num_items(gold) > 1:
            together = self._grade(gold, boxes)
            return together if together.correct else graded
        return graded

    def _grade(self, gold: str, extracted: str) -> Graded:
        reference, answer = normalise(gold), normalise(extracted)
        if reference and reference == answer:
            return Graded(True, extracted, "exact")
        is_same = same_number(reference, answer)
        if is_same is not None:
            return Graded(is_same, extracted, "number")
        longest = max(len(reference), len(answer))
        if longest > self.max_chars:
            return Graded(False, extracted, "none", f"unparsed: {longest} characters, the limit is {self.max_chars}")
        verdict = self._verifier.verify(gold, extracted)
        if verdict.reason:
            return Graded(False, extracted, "none", verdict.reason)
        return Graded(verdict.equal, extracted, verdict.method)

    def close(self) -> None:
        """Ends the verifier's process; the next question that needs it starts a new one."""
        self._verifier.close()


def normalise(answer: str) -> str:
    r"""One spelling for equal texts: NFC, no delimiters (`$..$`, `**..**`), no full stop, no spacing commands.

    `\dfrac` is `\frac`, `\left(` is `(`, `1{,}000` is `1,000`; spaces stay only between letters or digits.
    """
    text = unicodedata.normalize("NFC", answer).strip()
    for opening, closing in DELIMITERS:
        is_wrapped = text.startswith(opening) and text.endswith(closing) and len(text) > len(opening + closing)
        inside = text[len(opening) : -len(closing)]
        if is_wrapped and opening not in inside:
            text = inside.strip()
    for pattern, spelling in SPELLINGS:
        text = pattern.sub(spelling, text)
    return text.strip().removesuffix(".")


def same_number(reference: str, answer: str) -> bool | None:
    """Whether two normalised answers are the same rational; None when that is not for exact arithmetic to say.

    A percent sign may stand for hundredths or be left out: `50%` equals `0.5` and `50`, but not `0.5%`. None: one of them is
    no number, or a quotient is compared with a decimal that may be its rounded value (`2/3` and `0.666667`).
    """
    (left, left_percents), (right, right_percents) = PERCENT.subn("", reference), PERCENT.subn("", answer)
    x, y = rational(left), rational(right)
    if x is None or y is None:
        return None
    if x == y or (left_percents > right_percents and x == 100 * y) or (left_percents < right_percents and 100 * x == y):
        return True
    num_quotients = sum(QUOTIENT.fullmatch(text) is not None for text in (left, right))
    return None if num_quotients == 1 and "." in left + right else False


def rational(text: str) -> Fraction | None:
    r"""The exact value of a normalised integer, decimal or quotient of integers, None for everything else.

    `1,234` -> 1234, `-.5` -> -1/2, `\frac{3}{4}` and `3/4` -> 3/4, `025` -> 25; never through floats. A zero
    denominator has no value.
    """
    if match := QUOTIENT.fullmatch(text):
        top, bottom = match["top"] or match["over"], match["bottom"] or match["under"]
        if _integer(bottom) == 0:
            return None
        value = Fraction(_integer(top), _integer(bottom))
    elif (match := NUMBER.fullmatch(text)) and (match["whole"] or match["decimals"]):
        decimals = match["decimals"] or ""
        value = Fraction(_integer((match["whole"] or "") + decimals), 10 ** len(decimals))
    else:
        return None
    return -value if match["sign"] == "-" else value


def _integer(digits: str) -> int:
    return int(digits.replace(",", ""))
