"""The final answer of a completion: what stands in its last complete marker."""

from __future__ import annotations

import re
from collections.abc import Iterator

# An escaped character is consumed whole, so that `\{` and `\}` do not count as braces.
# Each alternative begins with one plain sign, which lets the search leap over everything else.
TOKEN = re.compile(r"\\(?:(?P<box>(?:boxed|fbox)\s*\{)|.)|\{|\}", re.DOTALL)
TAGGED = re.compile(r"<answer>([^<]*+(?:<(?!/?answer>)[^<]*+)*+)</answer>", re.IGNORECASE)
HASHED = re.compile(r"####:?[ \t]*(?P<answer>\S[^\n]*)(?P<rest>\s*)")
BARE_BOX = re.compile(r"\\(?:boxed|fbox)(?:[ \t]+([^\s{}$]+)|(\d+))")
# Adverbs do not change what a sentence says; "not" does.
ADVERB = r"(?:[ \t]+(?:therefore|thus|then|hence|now|simply|just|indeed|clearly|exactly|finally))?"
SAID = re.compile(
    r"[Aa](?<![A-Za-z][Aa])(?i:nswers?[*_]*(?:[ \t]+(?:to|for)[ \t]+(?:the|this|that)[ \t]+(?:question|problem|exercise))?"
    rf"(?:{ADVERB}[ \t]+(?:is|are|equals|(?:would|must|should|will)[ \t]+be)(?:[ \t]+equal[ \t]+to)?{ADVERB}"
    r"[ \t]*:?|[ \t]*[:=\uff1a])[*_]*)",
)
MAX_SAID = 2000  # characters behind "the answer is"
VALUE = r"(?:[\d$\\]|(?<![\w'])[A-J](?![\w']))"
SAID_END = re.compile(
    r"</[a-z_]+>|<(?:[a-z_]{3,}>|\|)|[.!?]\s+(?=[A-Z](?![.)]))"
    rf"(?!(?:Or|Maybe|Perhaps|Possibly)\b[^.!?]{{0,80}}?{VALUE})"
    r"|,?\s+(?:because|since|as(?!\s+(?:is|are|well)\b)|which|(?:but |and )?not)\s"
    # a second value is part of what the sentence says, unless it belongs to a check of the first
    rf"|,?\s+but\s(?![^.!?]{{0,80}}?{VALUE})"
    rf"|,?\s+and (?:this|that|it|we)\s(?!(?:(?!check|verif|have\b|=)[^.!?]){{0,80}}?{VALUE})|[.!,;]*\s*$"
)
REMARK = re.compile(r"(?:n't|not|correct|right|wrong|incorrect|reasonable|valid|consistent|confirmed)\b", re.IGNORECASE)
WRONG = re.compile(
    r"(?:(?:wrong|incorrect)\b|(?:n't|not)\s+(?:right|correct|valid)\b|(?:n't|not)\s+(?P<what>\S.*))", re.IGNORECASE
)
HARMLESS = re.compile(r"(?:wrong|incorrect|unique|obvious|clear|an?)\b", re.IGNORECASE)  # behind "the answer is not"
QUOTED = re.compile(r"(\${1,2})([^$]+)\1|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
# A second value behind the first, as in "$5$ or maybe $6$".
ADDED = re.compile(
    r"\s*(?:,|,?\s*(?:or|and|but)\s(?:\s*(?:it|this|that|is|be|also|even|maybe|perhaps|possibly|could|might|may)\s){0,4})\s*"
    + VALUE
)
LAST_IS = re.compile(r"^(?:The|the|Thus|So|Therefore|Hence)\b.*\s(?:is|are|equals)\s+(?=\S)")
WORD = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{3,}")

# Markers inside markers, such as a box in an answer tag; deeper ones would make the search quadratic.
MAX_NESTING = 4
MAX_REMARKS = 8  # remarks behind the last answer that are looked at


def extract(completion: str) -> str:
    r"""The text of the last complete marker among `<answer>..</answer>`, `\boxed{..}` (or `\fbox{..}`, `\boxed 7`),
    `#### x`, "the answer is x" and "Answer: x".

    "Last" is by where a marker ends; a marker inside another one is the answer of the outer one. Nothing found, or only
    unfinished markers: "". Numbers that are merely mentioned are no answer. Linear in the length of the completion.
    """
    answer, inner = "", completion
    for _ in range(MAX_NESTING):
        found = max(_markers(inner), default=None)
        if found is None:
            break
        answer = inner = found[1].strip()
    return answer


def boxed(text: str) -> str:
    r"""The content of the last complete `\boxed{..}` or `\fbox{..}`, whatever else is marked; "" if there is none."""
    return max(_boxes(text), default=(0, ""))[1].strip()


def extract_list(completion: str) -> str:
    """The boxes of the line of the last one, as one list; "" where that line has fewer than two."""
    boxes = list(_boxes(completion))
    if len(boxes) < 2:
        return ""
    last = boxes[-1][0]
    start = completion.rfind("\n", 0, last - len(boxes[-1][1])) + 1
    parts = [content.strip() for end, content in boxes if end > start]
    return ", ".join(parts) if len(parts) > 1 else ""


def _markers(text: str) -> Iterator[tuple[int, str]]:
    """(end, content) of every complete marker."""
    yield from _boxes(text)
    for match in TAGGED.finditer(text):
        yield match.end(), match[1]
    for match in HASHED.finditer(text):
        # Models also write `#### Step 2` as a heading; unlike an answer, a heading has words and a text below it.
        if match.end() == len(text) or not WORD.search(match["answer"]):
            yield match.end("answer"), match["answer"]
    for match in BARE_BOX.finditer(text):
        yield match.end(), match[1] or match[2]
    remarks: list[str] = []
    for match in reversed(list(SAID.finditer(text))):
        rest = text[match.end() : match.end() + MAX_SAID].lstrip()
        if said := _said(rest):
            if not any(_takes_back(remark, said) for remark in remarks):
                yield match.end() + 1, said
            break
        if len(remarks) < MAX_REMARKS:
            remarks.append(rest)


def _takes_back(remark: str, said: str) -> bool:
    """Whether a remark behind a later "the answer is" rejects what was said; "not 6" does not reject 5."""
    match = WRONG.match(remark)
    if match is None or (match["what"] and HARMLESS.match(match["what"])):
        return False
    what = _said(match["what"]) if match["what"] else ""
    return not re.match(VALUE + r"|[-(]", what) or re.match(re.escape(said) + r"(?![\w.])", what) is not None


def _said(rest: str) -> str:
    """What a sentence gives as the answer: inside $..$, or the line up to its end or its reason, from the last "is" on."""
    if match := QUOTED.match(rest):
        tail = rest[match.end() :].partition("\n")[0]
        tail = tail[: SAID_END.search(tail).start()]  # pyright: ignore[reportOptionalMemberAccess]
        return next(filter(None, match.groups()[1:])).strip() + (tail if ADDED.match(tail) else "")
    rest = rest.partition("\n")[0]
    if "boxed" not in rest:
        rest = LAST_IS.sub("", rest[: SAID_END.search(rest).start()])  # pyright: ignore[reportOptionalMemberAccess]
        if match := QUOTED.match(rest):
            return next(filter(None, match.groups()[1:])).strip()
    return "" if REMARK.match(rest) else rest[: _closed(rest)].strip(" *_")


def _closed(text: str) -> int:
    """Where the first brace closes that was opened before the text: the sentence stands in a box or a group."""
    depth = 0
    for match in TOKEN.finditer(text):
        depth += 1 if match["box"] or match[0] == "{" else -(match[0] == "}")
        if depth < 0:
            return match.start()
    return len(text)


def _boxes(text: str) -> Iterator[tuple[int, str]]:
    """Boxes whose braces balance, found in one pass with a stack of open braces."""
    opened: list[tuple[bool, int]] = []
    for match in TOKEN.finditer(text):
        if match["box"] or match[0] == "{":
            opened.append((bool(match["box"]), match.end()))
        elif match[0] == "}" and opened:
            is_box, start = opened.pop()
            if is_box:
                yield match.end(), text[start : match.start()]
