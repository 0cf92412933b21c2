"""Units and sentences around a value, which do not change it; words that do."""

from __future__ import annotations

import re

from ufo_rl.grader.math.text.modifiers import CHANGED_ANYWHERE
from ufo_rl.grader.math.text.numerals import without_thousands
from ufo_rl.grader.math.text.rewrite import rule
from ufo_rl.grader.math.words.qualifiers import without_qualifier

UNIT_WORDS = (
    "mm|cm|dm|km|inch(?:es)?|feet|foot|ft|yards?|yd|miles?|mi|mph|kph|seconds?|secs?|sec|minutes?|mins?|min|hours?|hrs?|hr"
    "|days?|weeks?|months?|years?|grams?|kg|mg|pounds?|lbs?|ounces?|oz|liters?|litres?|mL|ml|gallons?|cents?|dollars?|usd|USD"
    "|yuan|euros?|rupees?|pesos?|units?|square|sq|cubic|degrees?|radians?|rad|people|students|meters?|metres?|centimeters?"
    "|kilometers?|per|points?|ways|times|in|Hz|kW|kWh|GB|MB"
)
# Behind a unit, as in m^2.
POWER = r"(?:\^\{?-?[1-3]\}?)?"
# Words that change the value before them, make it one of several, or doubt it.
NUMBERS = (
    r"zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|dozens?|scores?|hundreds?|thousands?|[mbtr]+illions?|lakhs?|crores?|half|halves|quarters?|thirds?|fourths?|fifths?"
    r"|sixths?|sevenths?|eighths?|ninths?|tenths?|elevenths?|twelfths?|hundredths?|thousandths?|millionths?|percent"
)
NO_UNIT = (
    rf"(?!(?i:{NUMBERS}|base|binary|octal|hexadecimal|or|but|if|else|not|nor|than|mod|modulo|is|are|was|could|might|may"
    r"|more|less|fewer|most|least|only|plus|minus|negative|over|point|below|above|under|divided|multiplied|added|choose"
    r"|squared|cubed|factorial|except|without|excluding|maybe|perhaps|possibly|probably|versus|vs|either|neither|unless"
    r"|instead|otherwise|where|when|nothing|none|never)\b)"
)
# A word of a unit; a digit behind it is its power, as in cm3.
TEXT_WORD = rf"{NO_UNIT}[^\W\d_][^\W\d_'.-]*(?:\^?-?[1-3](?!\d))?"
# "times 6" and "to 6" go on; "times" alone and "times as many" do not.
NOT_FIRST = r"(?!(?:to|of|and)\b|times\b(?! (?:as|the)\b|[\s.)]*\}))"
TEXT_UNIT = rf"\\text\{{[\s(-]*{NOT_FIRST}(?:{TEXT_WORD}(?:(?:[ ,./*'()-]|\\cdot ?)+{TEXT_WORD})*)?[\s.)']*\}}"
WORD_UNIT = rf"(?<![A-Za-z\\])(?:{UNIT_WORDS})(?![A-Za-z])"
# Any number of units, alone, multiplied or divided.
UNIT = rule(
    rf"(?:(?:\\frac\{{{TEXT_UNIT}{POWER}\}}\{{{TEXT_UNIT}{POWER}\}}|{TEXT_UNIT}|{WORD_UNIT}){POWER}(?:\\cdot|[ /.*])*)+$",
    "",
    r"5\text{ m/s}^2",
    "5",
)
# One to four plain words, the first of which is no operation.
ANY_WORDS = rule(
    rf"(?:(?<=[\d%]) |(?<=\}}) ?)(?=[A-Za-z ]*[A-Za-z]{{3}})(?!(?:times|to|of|and)\b)"
    rf"(?:{NO_UNIT}[A-Za-z]{{2,}}(?: |$)){{1,4}}$",
    "",
    "42 cookies",
    "42",
)
LETTER = rf"(?:[smghLlCFKNJWVA]|{UNIT_WORDS}|\\Omega|\\mu [smgFA]){POWER}"
# A letter is a unit only behind a number.
LETTER_UNIT = rule(rf"(?<=[\d}}]) ?{LETTER}(?:(?:\\cdot|[/ *]){LETTER})*$", "", r"5 m/s", "5")
NEGATION = (
    r"(?:\b(?:not?|cannot|never|none|neither|nor|nothing|except|excluding|without|impossible|unlikely|wrong|incorrect|or|but"
    r"|unless|maybe|perhaps)\b|n't)"
)
# What is said before a value, without a word that would deny it or add to it.
SENTENCE = re.compile(
    rf"^(?!.*(?i:{NEGATION}))(?!.*=[^=]*\d[^=]*=)(?:\\text\{{[^{{}}]*(?:\b(?:is|are|equals|be)|[=:])\s*\}}"
    r"|[^\d=]*?(?<![A-Za-z\\])[A-Za-z]{2,}\b.*(?:(?<![A-Za-z])(?:is|are|equals|be)(?![A-Za-z])|=))\s*(?=\S)"
)

EXAMPLES = (
    (SENTENCE, r"\text{The value is }5", r"\text{The value is }"),
    (SENTENCE, r"\text{it cannot be }5", None),
    (UNIT.pattern, "5 square cm", "square cm"),
    (UNIT.pattern, r"5\text{ hundredths}", None),
    (UNIT.pattern, r"5\text{ times }6", None),
    (ANY_WORDS.pattern, "5 people or more", None),
    (ANY_WORDS.pattern, "5 divided by two", None),
    (LETTER_UNIT.pattern, "mc", None),
)


def without_words(text: str, other: str = "") -> str:
    """Without the units behind a value, or the sentence before it. One letter is a unit only behind a number, and only
    where the other answer has no letters. Words that make another number of the value, in any language, stay."""
    if CHANGED_ANYWHERE.search(text):
        return text
    shorter = without_qualifier(text)
    if shorter == text:
        shorter = UNIT.apply(text).strip()
    if shorter == text and other and not re.search("[A-Za-z]", other):
        shorter = LETTER_UNIT.apply(text).strip()
    if shorter == text:
        shorter = ANY_WORDS.apply(text)
    if shorter == text and (match := SENTENCE.match(text)) and " " in match[0].strip():
        shorter = text[match.end() :]
    return without_thousands(shorter) if shorter and shorter != text else text
