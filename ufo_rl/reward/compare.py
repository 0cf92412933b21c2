"""Whether two answers say the same: by text, as numbers and formulas, lists, tuples, sets, intervals, matrices, equations.

`same` answers True, False, or None where neither text nor mathematics decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

import mpmath

from ufo_rl.reward import realset
from ufo_rl.reward.expression import NoFormula, Tree, parse
from ufo_rl.reward.normal import closes, normalise, split, without_thousands
from ufo_rl.reward.value import NoValue, as_float, evaluate, points, same_function, same_value, uses, variables

MATRIX = re.compile(r"\\begin\{([bpvVB]?matrix|array)\}(?:\{[^{}]*\})?(.*?)\\end\{\1\}", re.DOTALL)
APPROXIMATE = re.compile(r"\\approx.*|\\text\{\(?(?:about|approx)[^}]*\}?.*", re.DOTALL)
TEXT = re.compile(r"\\text\{([^{}]*)\}")
UNIT_WORDS = (
    "mm|cm|dm|km|inch(?:es)?|feet|foot|ft|yards?|yd|miles?|mi|mph|kph|seconds?|secs?|sec|minutes?|mins?|min|hours?|hrs?|hr"
    "|days?|weeks?|months?|years?|grams?|kg|mg|pounds?|lbs?|ounces?|oz|liters?|litres?|mL|ml|gallons?|cents?|dollars?|usd|USD"
    "|yuan|euros?|rupees?|pesos?|units?|square|sq|cubic|degrees?|radians?|rad|people|students|meters?|metres?|centimeters?"
    "|kilometers?|per|points?|coins|cards|pages|apples|books|ways|times|Hz"
)
POWER = r"(?:\^\{?-?[1-3]\}?)?"
UNIT = re.compile(rf"(?:(?:\\text\{{[^{{}}]*\}}|(?<![A-Za-z\\])(?:{UNIT_WORDS})(?![A-Za-z])){POWER}[ /.*]*)+$")
LETTER_UNIT = re.compile(rf"(?<=\d) ?[smghLlCFKNJWV]{POWER}$")
SENTENCE = re.compile(r"^.*(?<![A-Za-z])(?:is|are|equals|be|=)(?![A-Za-z])\s*(?=\S)")
LEADING = re.compile(r"^(?:[A-Za-z]{2,} )+(?=[-+\d\\(\[{])")
NAME = re.compile(
    r"\\?[A-Za-z]+(?:_\{?[\w\\]+\}?)?'*(?:\([\w,]{1,6}\))?|\|[A-Z]{1,2}\||\\[a-z]+ ?[A-Z]{1,4}|[A-Z]{2,4}"
)
RATIO_OF_NAMES = re.compile(r"\\frac\{[A-Z]{1,3}\}\{[A-Z]{1,3}\}|[A-Z](?:_\{?\w+\}?)?[:/][A-Z](?:_\{?\w+\}?)?")
CHOICE = re.compile(r"[\[(]?([A-Ja-j])[\])]?(?:[.:)]+(?:\s*\S.*)?)?", re.DOTALL)
RATIO_NAME = re.compile(r"[A-Za-z](?:_\{?\w+\}?)?:[A-Za-z](?:_\{?\w+\}?)?")
SIGNIFICANT = 6  # decimals that a rounded value must have to stand for an exact one
MAX_ITEMS = 200


def same(gold: str, answer: str) -> bool | None:
    """Whether the answer is the gold; both as they stand in their sources."""
    return _same(normalise(gold), normalise(answer), 0)


def _same(gold: str, answer: str, depth: int) -> bool | None:
    if not gold or not answer:
        return False
    if gold == answer:
        return True
    if depth > 6:
        return None
    gold, answer = APPROXIMATE.sub("", gold).strip() or gold, APPROXIMATE.sub("", answer).strip() or answer
    if len(gold) > 2 and gold.isalpha() and gold.casefold() == answer.casefold():
        return True
    verdict = next((v for rule in RULES if (v := rule(gold, answer, depth)) is not None), None)
    if verdict is not True:
        shorter = _without_words(gold), _without_words(answer, gold)
        if shorter != (gold, answer) and _same(*shorter, depth + 1):
            return True
    return verdict


def bare(text: str) -> str:
    """Without \\text{..} around words, quotes and outer brackets of a single letter."""
    return TEXT.sub(r"\1", text).strip(" .,")


def _choices(gold: str, answer: str, depth: int) -> bool | None:
    wanted = re.fullmatch(r"\(?([A-J])\)?", bare(gold))
    if not wanted:
        return None
    found = CHOICE.fullmatch(re.sub(r"^(?:Answer|Option|Choice)\s*:?\s*", "", bare(answer), flags=re.IGNORECASE))
    if found is None:  # "D, it can't be A": one letter before the comma, a reason behind it
        head, _, reason = bare(answer).partition(",")
        found = re.fullmatch(r"(?:[a-z]+ )*([A-J])", head) if len(reason.split()) > 2 else None
    return None if found is None else found[1].upper() == wanted[1]


# ------------------------------------------------------------------ matrices


def _rows(text: str) -> list[list[str]] | None:
    """The cells of a text that is one matrix, brackets around it or not."""
    match = MATRIX.search(text)
    if match is None:
        return None
    around = text[: match.start()] + text[match.end() :]
    if around not in ("", "()", "[]", r"\[\]", "||"):
        return None
    rows = [row.strip() for row in match[2].split("\\\\")]
    return [[cell.strip() for cell in row.split("&")] for row in rows if row.strip()]


def _matrices(gold: str, answer: str, depth: int) -> bool | None:
    a, b = _rows(gold), _rows(answer)
    if a is None and b is None:
        return None
    if a is None or b is None:
        matrix, other = (a, answer) if a is not None else (b, gold)
        items = _items(other)
        if matrix is None or items is None or items[0] != "(" or (len(matrix) > 1 and len(matrix[0]) > 1):
            return None
        return _all_same([cell for row in matrix for cell in row], items[1], depth)
    if [len(row) for row in a] != [len(row) for row in b]:
        return False
    return _all_same([c for row in a for c in row], [c for row in b for c in row], depth)


def _all_same(a: list[str], b: list[str], depth: int) -> bool | None:
    if len(a) != len(b):
        return False
    verdicts = [_same(x, y, depth + 1) for x, y in zip(a, b, strict=True)]
    return False if False in verdicts else None if None in verdicts else True


# ------------------------------------------------------------------ sets of real numbers, inequalities


def _is_set(text: str) -> bool:
    is_interval = text[:1] in "([" and text[-1:] in ")]" and len(split(text[1:-1], ",;")) == 2
    has_word = any(
        word in text for word in (r"\cup", r"\in", r"\le", r"\ge", r"\ne", "<", ">", r"\mathbb", r"\setminus")
    )
    return (is_interval and text[0] + text[-1] != "()") or r"\infty" in text or has_word


def _sets(gold: str, answer: str, depth: int) -> bool | None:
    if not (_is_set(gold) or _is_set(answer)):
        return None
    a, b = realset.read(gold), realset.read(answer)
    if a is not None and b is not None:
        return realset.same(a, b)
    chain, other = _chain(gold), _chain(answer)
    if chain is None or other is None:
        return None
    return _all_same(chain[1], other[1], depth) if chain[0] == other[0] else False


def _chain(text: str) -> tuple[list[str], list[str]] | None:
    """Relations and sides of a chain, pointing to the right."""
    words = [w for w in realset.RELATION.findall(text) if w != "="]
    if not words or "=" in text:
        return None
    sides = [side.strip() for side in realset.RELATION.split(text)]
    if words[0] in (">", r"\ge"):
        words, sides = [realset.FLIPPED[word] for word in reversed(words)], sides[::-1]
    return words, sides


# ------------------------------------------------------------------ lists, tuples, sets


def _items(text: str) -> tuple[str, list[str]] | None:
    """("(", "[", "{" or "" for a bare list; its items), or None for what is no sequence."""
    kind = ""
    text = re.sub(r"^(?:[A-Za-z](?:_\w)?|\([A-Za-z](?:,[A-Za-z])+\))(?:=|\\in)(?=\\\{|\()", "", text)
    if text.startswith(r"\{") and text.endswith(r"\}") and closes(text, 1) == len(text) - 1:
        kind, text = "{", text[2:-2]
    elif text[:1] in "([" and text[-1:] in ")]" and closes(text, 0) == len(text) - 1:
        kind, text = text[0] + text[-1], text[1:-1]
        kind = "(" if kind == "()" else kind
    text = re.sub(
        r"(?<=[\s\d)},])(?:and|or)(?=[\s(\\\d-])",
        ",",
        TEXT.sub(lambda m: "," if m[1].strip() in ("and", "or") else m[0], text),
    )
    parts = [part for part in split(text, ",;") if part]
    parts = [sign for part in parts for sign in _both_signs(part)]
    if len(parts) < 2 and kind != "{":
        return None
    return (kind, parts) if len(parts) <= MAX_ITEMS else None


def _both_signs(part: str) -> list[str]:
    if part.count(r"\pm") == 1 and r"\mp" not in part and "=" not in part.split(r"\pm")[1]:
        return [part.replace(r"\pm", sign, 1) for sign in ("+", "-")]
    return [part]


def num_items(gold: str) -> int:
    """How many items a gold has that is a bare list or a set; 1 for everything else."""
    items = _items(normalise(gold))
    return len(items[1]) if items is not None and items[0] in ("", "{") else 1


def _grouped(text: str) -> str:
    """p=5,q=2;p=7,q=2 as (5,2),(7,2)."""
    groups = split(text, ";")
    if len(groups) < 2 or any(group.count("=") < 2 for group in groups):
        return text
    return ",".join("(" + ",".join(side.split("=")[-1] for side in split(group, ",")) + ")" for group in groups)


def _sequences(gold: str, answer: str, depth: int) -> bool | None:
    verdict = _same_items(gold, answer, depth)
    grouped = _grouped(gold), _grouped(answer)
    return verdict if verdict or grouped == (gold, answer) else _same_items(*grouped, depth)


def _same_items(gold: str, answer: str, depth: int) -> bool | None:
    a, b = _items(gold), _items(answer)
    if a is None and b is None:
        return None
    if a is None or b is None:
        known = a or b
        assert known is not None
        other = answer if a is not None else gold
        if known[0] == "{" and len(known[1]) == 1:
            return _same(*((known[1][0], other) if a is not None else (other, known[1][0])), depth + 1)
        if known[0] == "" and other and r"\text" in other:
            return None
        return False
    kinds = {a[0], b[0]}
    is_ordered = bool(kinds & {"(", "[]", "[)", "(]"}) and "{" not in kinds
    if not is_ordered and len(b[1]) > len(a[1]):
        b = b[0], _once(b[1], depth)
    if len(a[1]) != len(b[1]):
        return False
    if "(" in kinds and "{" in kinds:
        return False
    if len(kinds) == 2 and "" not in kinds:
        return False
    if is_ordered:
        return _all_same(a[1], b[1], depth)
    return _matched(a[1], b[1], depth)


def _once(items: list[str], depth: int) -> list[str]:
    """Without the items that say the same as an earlier one."""
    kept: list[str] = []
    for item in items:
        if not any(_same(other, item, depth + 1) for other in kept):
            kept.append(item)
    return kept


def _matched(wanted: list[str], given: list[str], depth: int) -> bool | None:
    """Whether the items can be paired, in any order."""
    left, is_sure = list(given), True
    for item in wanted:
        verdicts = [_same(item, other, depth + 1) for other in left]
        if True not in verdicts:
            is_sure = is_sure and None not in verdicts
            return False if is_sure else None
        left.pop(verdicts.index(True))
    return True


# ------------------------------------------------------------------ equations


def _equations(gold: str, answer: str, depth: int) -> bool | None:
    a, b = split(gold, "="), split(answer, "=")
    if len(a) == 1 and len(b) == 1:
        return None
    if any(word in gold + answer for word in ("<", ">", r"\le", r"\ge", r"\ne")):
        return None
    if len(a) > 1 and len(b) > 1:
        if _is_name(a[0]) and _is_name(b[0]) and a[0] == b[0]:
            return _same(a[-1], b[-1], depth + 1)
        return _same_equation(a, b)
    if len(b) == 1:
        value = _defined(a)
        return False if value is None else _same(value, b[0], depth + 1)
    value = _defined(b) if not _is_formula_with_unknowns(b[0]) or _is_name(b[0]) else None
    return False if value is None else _same(a[0], value, depth + 1)


def _is_name(side: str) -> bool:
    return bool(NAME.fullmatch(side) or RATIO_OF_NAMES.fullmatch(side) or RATIO_NAME.fullmatch(side))


def _is_formula_with_unknowns(side: str) -> bool:
    try:
        return bool(variables(parse(side)))
    except NoFormula:
        return False


def _defined(sides: list[str]) -> str | None:
    """The value that a chain such as x = 2, 2 = x, f(x) = y = 3 or 5 + 5 = 10 ends in; None where it is an equation."""
    if all(_is_name(side) for side in sides[:-1]):
        return sides[-1]
    if len(sides) == 2 and _is_name(sides[1]) and not _is_name(sides[0]):
        return sides[0] if not _is_formula_with_unknowns(sides[0]) else None
    if not any(_is_formula_with_unknowns(side) for side in sides):
        return sides[-1]
    return None


def _same_equation(a: list[str], b: list[str]) -> bool | None:
    """Two equations with the same solutions, as far as one is a multiple of the other."""
    if len(a) != 2 or len(b) != 2:
        return None
    try:
        left, right = (("+", parse(x), ("neg", parse(y))) for x, y in (a, b))
    except NoFormula:
        return None
    names, ratio, agreed = sorted(variables(left) | variables(right)), None, 0
    for point in points(names):
        try:
            x, y = evaluate(left, point), evaluate(right, point)
            if isinstance(x, mpmath.mpc) or isinstance(y, mpmath.mpc) or x == 0 or y == 0:
                continue
            here = evaluate(("/", ("var", "x"), ("var", "y")), {"x": x, "y": y})
        except NoValue:
            continue
        if ratio is not None and not same_value(ratio, here):
            return False
        ratio, agreed = here, agreed + 1
    return True if agreed >= 3 else None


# ------------------------------------------------------------------ numbers and formulas


def _numbers(gold: str, answer: str, depth: int) -> bool | None:
    try:
        a, b = parse(gold), parse(answer)
    except NoFormula:
        return None
    verdict = same_function(a, b)
    if verdict is False and (uses(a, "deg") or uses(b, "deg")):
        verdict = same_function(a, b, in_radians=True)
    if verdict is False and not variables(a) and not variables(b):
        verdict = _percent(gold, answer, a, b) or _rounded(gold, a, b, answer)
    return verdict


def _percent(gold: str, answer: str, a: Tree, b: Tree) -> bool:
    """A percent sign that only one of them has may be left out."""
    if gold.endswith("%") == answer.endswith("%"):
        return False
    try:
        x, y = evaluate(a, {}), evaluate(b, {})
    except NoValue:
        return False
    return same_value(x * 100, y) if gold.endswith("%") else same_value(x, y * 100)


def _rounded(gold: str, a: Tree, b: Tree, answer: str) -> bool:
    """An exact value and its decimals, rounded or cut, at least six of them."""
    decimals = {text: re.fullmatch(r"-?\d*\.(\d+)%?", text) for text in (gold, answer)}
    if (decimals[gold] is None) == (decimals[answer] is None):
        return False
    short = decimals[gold] or decimals[answer]
    assert short is not None
    places = len(short[1])
    try:
        x, y = evaluate(a, {}), evaluate(b, {})
    except NoValue:
        return False
    if places < SIGNIFICANT or isinstance(x, mpmath.mpc) or isinstance(y, mpmath.mpc):
        return False
    distance = abs(x - y) if isinstance(x, Fraction) and isinstance(y, Fraction) else abs(as_float(x) - as_float(y))
    return (
        bool(distance <= Fraction(1, 10**places))
        if isinstance(distance, Fraction)
        else bool(distance <= mpmath.mpf(10) ** -places)
    )


# ------------------------------------------------------------------ units and words


def _without_words(text: str, other: str = "") -> str:
    """Without the units behind a value, or the sentence before it. One letter is a unit only behind a number, and only
    where the other answer has no letters."""
    shorter = UNIT.sub("", text).strip()
    if shorter == text and other and not re.search("[A-Za-z]", other):
        shorter = LETTER_UNIT.sub("", text).strip()
    if shorter == text and (match := SENTENCE.match(text)) and " " in match[0].strip():
        shorter = text[match.end() :]
    if shorter == text and (match := LEADING.match(text)):
        shorter = text[match.end() :]
    return without_thousands(shorter) if shorter and shorter != text else text


def _words(gold: str, answer: str, depth: int) -> bool | None:
    a, b = (re.sub(r"[\s\\{}$.,'\"]", "", bare(text)).casefold() for text in (gold, answer))
    if a == b:
        return True
    return False if a.isalpha() and b.isalpha() and min(len(a), len(b)) > 1 else None


Rule = Callable[[str, str, int], bool | None]
RULES: tuple[Rule, ...] = (_choices, _matrices, _sets, _sequences, _equations, _numbers, _words)
