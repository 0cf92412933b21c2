"""Whether two answers say the same: by text, as numbers and formulas, lists, tuples, sets, intervals, matrices, equations.

`same` answers True, False, or None where neither text nor mathematics decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ufo_rl.reward import realset
from ufo_rl.reward.expression import NoFormula, parse
from ufo_rl.reward.formula import same_equation, same_formula
from ufo_rl.reward.normal import closes, normalise, split
from ufo_rl.reward.value import variables
from ufo_rl.reward.words import TEXT, same_choice, same_words, without_words

MATRIX = re.compile(r"\\begin\{([bpvVB]?matrix|array)\}(?:\{[^{}]*\})?(.*?)\\end\{\1\}", re.DOTALL)
NAME = re.compile(
    r"\\?[A-Za-z]+(?:_\{?[\w\\]+\}?)?'*(?:\([\w,]{1,6}\))?|\|[A-Z]{1,2}\||\\[a-z]+ ?[A-Z]{1,4}|[A-Z]{2,4}"
)
RATIO_OF_NAMES = re.compile(r"\\frac\{[A-Z]{1,3}\}\{[A-Z]{1,3}\}|[A-Z](?:_\{?\w+\}?)?[:/][A-Z](?:_\{?\w+\}?)?")
RATIO_NAME = re.compile(r"[A-Za-z](?:_\{?\w+\}?)?:[A-Za-z](?:_\{?\w+\}?)?")
APPROXIMATE = re.compile(r"\\approx.*|\\text\{\(?(?:about|approx)[^}]*\}?.*", re.DOTALL)
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
        shorter = without_words(gold), without_words(answer, gold)
        if shorter != (gold, answer) and _same(*shorter, depth + 1):
            return True
    return verdict


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
    left = list(given)
    for item in wanted:
        verdicts = [_same(item, other, depth + 1) for other in left]
        if True not in verdicts:
            return None if None in verdicts else False
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
        return same_equation(a, b)
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


Rule = Callable[[str, str, int], bool | None]
RULES: tuple[Rule, ...] = (
    lambda gold, answer, _: same_choice(gold, answer),
    _matrices,
    _sets,
    _sequences,
    _equations,
    lambda gold, answer, _: same_formula(gold, answer),
    lambda gold, answer, _: same_words(gold, answer),
)
