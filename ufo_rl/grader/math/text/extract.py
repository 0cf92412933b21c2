"""The final answer of a completion: what stands in its last complete marker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from ufo_rl.grader.math.text.boxes import boxes
from ufo_rl.grader.math.text.labels import labelled_answers
from ufo_rl.grader.math.text.markers import Markers
from ufo_rl.grader.math.text.placeholder import is_placeholder, without_empty_boxes
from ufo_rl.grader.math.text.sentence import said_answers
from ufo_rl.grader.math.text.statement import stated_answers

# Possessive, and no tag inside: thousands of unfinished tags cost no time.
TAGGED = re.compile(r"<answer>([^<]*+(?:<(?!/?answer>)[^<]*+)*+)</answer>", re.IGNORECASE)
# GSM8K's marker; what follows tells an answer from a heading.
HASHED = re.compile(r"####:?[ \t]*(?P<answer>\S[^\n]*)(?P<rest>\s*)")
# TeX needs no braces around one sign; several digits are meant as one number.
BARE_BOX = re.compile(r"\\(?:boxed|fbox)(?:[ \t]+([^\s{}$]+)|(\d+))")
# What a heading has and an answer has not.
WORD = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{3,}")

# An answer in which no marker can be.
UNMARKED = re.compile(r"[-+\d.,/ $%()=xy]*")

EXAMPLES = (
    (TAGGED, "<answer>draft <answer>5</answer>", "<answer>5</answer>"),
    (TAGGED, "<answer>5", None),
    (HASHED, "so\n#### 7\n", "#### 7\n"),
    (BARE_BOX, r"so $\boxed 7$", r"\boxed 7"),
    (BARE_BOX, r"\boxed{7}", None),
    (WORD, "Step 2", "Step"),
    (UNMARKED, "1,080", "1,080"),
    (WORD, r"\frac12 x", None),
)

# Markers inside markers, such as a box in an answer tag; deeper ones would make the search quadratic.
MAX_NESTING = 4


NO_MARKERS = Markers(())


def extract(completion: str, own: Markers = NO_MARKERS) -> str:
    r"""The text of the last complete marker among `<answer>..</answer>`, `\boxed{..}` (or `\fbox{..}`, `\boxed 7`),
    `#### x`, "the answer is x" and "Answer: x" in nine languages, a title "Answer" above it, `A: x`, and `own` ones.

    "Last" is by where a marker ends; a marker inside another one is the answer of the outer one. Nothing found, or only
    unfinished or empty markers: "". Numbers that are merely mentioned are no answer. Linear in the length of the
    completion, but for `own`, which may raise SlowMarker.
    """
    return extract_literal(completion, own)[0]


def extract_literal(completion: str, own: Markers = NO_MARKERS) -> tuple[str, str]:
    """The answer, and the words that it was read from where these say more: with their unit, with their own comma. Both are
    the same where the answer is words that are right only as they stand."""
    answer, literal, inner = "", "", without_empty_boxes(completion)
    for depth in range(MAX_NESTING):
        markers = chain(_markers(inner), own.answers(inner)) if depth == 0 else _markers(inner)
        found = max((one for one in markers if not is_placeholder(one[1])), default=None)
        if found is None:
            break
        answer, literal = found[1].strip(), found[2]
        inner = answer
        if UNMARKED.fullmatch(answer):
            break
    return answer, literal


def boxed(text: str) -> str:
    r"""The content of the last complete `\boxed{..}` or `\fbox{..}`, whatever else is marked; "" if there is none."""
    return max(boxes(text), default=(0, ""))[1].strip()


def extract_list(completion: str) -> str:
    """The boxes of the line of the last one, as one list; "" where that line has fewer than two."""
    found = [(end, content) for end, content in boxes(completion) if not is_placeholder(content)]
    if len(found) < 2:
        return ""
    last = found[-1][0]
    start = completion.rfind("\n", 0, last - len(found[-1][1])) + 1
    parts = [content.strip() for end, content in found if end > start]
    return ", ".join(parts) if len(parts) > 1 else ""


def _markers(text: str) -> Iterator[tuple[int, str, str]]:
    """(end, content, literal words) of every complete marker."""
    for end, content in chain(boxes(text), _signs(text), said_answers(text), labelled_answers(text)):
        yield end, content, ""
    yield from stated_answers(text)


def _signs(text: str) -> Iterator[tuple[int, str]]:
    for match in TAGGED.finditer(text):
        yield match.end(), match[1]
    for match in HASHED.finditer(text):
        # Models also write `#### Step 2` as a heading; unlike an answer, a heading has words and a text below it.
        if match.end() == len(text) or not WORD.search(match["answer"]):
            yield match.end("answer"), match["answer"]
    for match in BARE_BOX.finditer(text):
        yield match.end(), match[1] or match[2]
