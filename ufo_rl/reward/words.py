"""Answers in words: letters of a choice, plain words, and the units and sentences around a value."""

from __future__ import annotations

import re

from ufo_rl.reward.normal import without_thousands

TEXT = re.compile(r"\\text\{([^{}]*)\}")
UNIT_WORDS = (
    "mm|cm|dm|km|inch(?:es)?|feet|foot|ft|yards?|yd|miles?|mi|mph|kph|seconds?|secs?|sec|minutes?|mins?|min|hours?|hrs?|hr"
    "|days?|weeks?|months?|years?|grams?|kg|mg|pounds?|lbs?|ounces?|oz|liters?|litres?|mL|ml|gallons?|cents?|dollars?|usd|USD"
    "|yuan|euros?|rupees?|pesos?|units?|square|sq|cubic|degrees?|radians?|rad|people|students|meters?|metres?|centimeters?"
    "|kilometers?|per|points?|ways|times|in|Hz|kW|kWh|GB|MB"
)
POWER = r"(?:\^\{?-?[1-3]\}?)?"
# Words that change the value before them, or make it one of several.
NO_UNIT = (
    r"(?!(?:or|and|if|else|not|to|than|mod|is|are|was|more|less|most|least|only|times|plus|minus|over|squared|cubed"
    r"|factorial|dozen|hundred|thousand|million|billion|trillion|hundreds|thousands|millions|billions|half|percent)\b)"
)
TEXT_UNIT = rf"\\text\{{\s*{NO_UNIT}[^{{}}]*\}}"
WORD_UNIT = rf"(?<![A-Za-z\\])(?:{UNIT_WORDS})(?![A-Za-z])"
UNIT = re.compile(
    rf"(?:(?:\\frac\{{{TEXT_UNIT}{POWER}\}}\{{{TEXT_UNIT}{POWER}\}}|{TEXT_UNIT}|{WORD_UNIT}){POWER}(?:\\cdot|[ /.*])*)+$"
)
ANY_WORDS = re.compile(
    rf"(?:(?<=[\d%]) |(?<=\}}) ?)(?=[A-Za-z ]*[A-Za-z]{{3}})(?:{NO_UNIT}[A-Za-z]{{2,}}(?: |$)){{1,4}}$"
)
LETTER = rf"(?:[smghLlCFKNJWVA]|{UNIT_WORDS}|\\Omega|\\mu [smgFA]){POWER}"
LETTER_UNIT = re.compile(rf"(?<=[\d}}]) ?{LETTER}(?:(?:\\cdot|[/ *]){LETTER})*$")
SENTENCE = re.compile(
    r"^(?!.*(?:\bnot?\b|n't))(?:\\text\{[^{}]*(?:\b(?:is|are|equals|be)|[=:])\s*\}"
    r"|[^\d=]*?(?<![A-Za-z\\])[A-Za-z]{2,}\b.*(?:(?<![A-Za-z])(?:is|are|equals|be)(?![A-Za-z])|=))\s*(?=\S)"
)
# What follows a formula to say for which numbers it holds.
QUALIFIER = re.compile(
    r"[,;(\s]{0,9}(?:(?:\\text\{[^{}]*\})?(?P<whole>[a-z])\\in\\mathbb\{[ZN]\}(?:[_^]\{?[+*]\}?)?\)?"
    r"|(?:\\text\{\s*)?\(?(?:for (?:all|any|every|each)|where|with)(?![a-z])[^=]*)$"
)
MARKS = re.compile(r"^(?:an?|the) |[\s$'\"]|(?<!\d)[.,]|[.,](?!\d)|(?<=[a-z])-(?=[a-z]{3})")
LONG = re.compile(r"[a-z]{4}")
CHOICE = re.compile(r"[\[(]?([A-Ja-j])[\])]?(?:[.:)]+(?!\s*(?:[,;/&]|or\b|and\b))(?:\s*\S.*)?)?", re.DOTALL)


def bare(text: str) -> str:
    """Without \\text{..} around words, quotes and outer brackets of a single letter."""
    return TEXT.sub(r"\1", text).strip(" .,")


def same_choice(gold: str, answer: str) -> bool | None:
    """Whether the answer picks the gold's letter; None where the gold is no letter, or the answer picks none or several."""
    wanted = re.fullmatch(r"\(?([A-J])\)?", bare(gold))
    if not wanted:
        return None
    found = CHOICE.fullmatch(re.sub(r"^(?:Answer|Option|Choice)\s*:?\s*", "", bare(answer), flags=re.IGNORECASE))
    if found is None:  # "D, it can't be A": one letter before the comma, a reason behind it
        head, _, reason = bare(answer).partition(",")
        found = re.fullmatch(r"(?:[a-z]+ )*([A-J])", head) if len(reason.split()) > 2 else None
    return None if found is None else found[1].upper() == wanted[1]


def without_words(text: str, other: str = "") -> str:
    """Without the units behind a value, or the sentence before it. One letter is a unit only behind a number, and only
    where the other answer has no letters."""
    qualifier = QUALIFIER.search(text)
    shorter = text[: qualifier.start()] if qualifier else text
    if qualifier and (name := qualifier["whole"]) and "k" not in shorter:  # whole numbers have any name
        shorter = re.sub(rf"(?<![A-Za-z\\]){name}(?![A-Za-z])", "k", shorter)
    if shorter == text:
        shorter = UNIT.sub("", text).strip()
    if shorter == text and other and not re.search("[A-Za-z]", other):
        shorter = LETTER_UNIT.sub("", text).strip()
    if shorter == text:
        shorter = ANY_WORDS.sub("", text)
    if shorter == text and (match := SENTENCE.match(text)) and " " in match[0].strip():
        shorter = text[match.end() :]
    return without_thousands(shorter) if shorter and shorter != text else text


def same_words(gold: str, answer: str) -> bool | None:
    """Whether both are the same words; None where they are not only words."""
    a, b = (MARKS.sub("", bare(text).casefold()) for text in (gold, answer))
    # marks left out of a formula that nobody could read would make different formulas equal
    is_words = all((text.isalpha() and len(text) > 1) or (text.isalnum() and LONG.search(text)) for text in (a, b))
    return a == b if is_words else (a.isalpha() and a == b) or None
