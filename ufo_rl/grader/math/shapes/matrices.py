"""Matrices and vectors in their spellings, and definitions by cases."""

from __future__ import annotations

import re

from ufo_rl.grader.math.shapes.sequences import Same, all_same, items_of, matched

MATRIX = re.compile(r"\\begin\{([bpvVB]?matrix|array)\}(?:\{[^{}]*\})?(.*?)\\end\{\1\}", re.DOTALL)
CASES = re.compile(r"(?:[A-Za-z][\w{}]*(?:\([\w,]+\))?=)?\\begin\{cases\}(.*)\\end\{cases\}", re.DOTALL)
CONDITION = re.compile(r"\\text\{\s*,?\s*(?:if|for|when|where)\s*\}|\b(?:if|for|when)\b")
ROW_END = re.compile(r"\\\\(?:\[[^\[\]]*\])?")
Rows = list[list[str]]


def same_matrices(gold: str, answer: str, same: Same) -> bool | None:
    """Whether both are the same matrix, or vectors with the same entries; None where neither is a matrix."""
    a, b = _matrix(gold), _matrix(answer)
    if a is None and b is None:
        return None
    a, b = a or _listed_rows(gold), b or _listed_rows(answer)
    if a is None or b is None:
        matrix, other = (a, answer) if a is not None else (b, gold)
        items = items_of(other)
        if matrix is None or items is None or items[0] not in ("(", "[]") or (len(matrix) > 1 and len(matrix[0]) > 1):
            return None
        return all_same([cell for row in matrix for cell in row], items[1], same)
    if [len(row) for row in a] != [len(row) for row in b] or _is_determinant(gold) != _is_determinant(answer):
        return False
    return all_same([cell for row in a for cell in row], [cell for row in b for cell in row], same)


def same_cases(gold: str, answer: str, same: Same) -> bool | None:
    """Whether two definitions by cases have the same rows; a system of equations is compared as a list of them."""
    a, b = CASES.fullmatch(gold), CASES.fullmatch(answer)
    if a is None and b is None:
        return None
    rows, others = (_rows(CONDITION.sub("", match[1])) if match else [] for match in (a, b))
    if all(len(row) == 1 for row in (*rows, *others)):
        return same(_listed(rows) or gold, _listed(others) or answer)
    if a is None or b is None or len(rows) != len(others):
        return False
    return matched(rows, others, lambda row, other: all_same(row, other, same))


def _listed(rows: Rows) -> str:
    return ",".join(row[0] for row in rows)


def _matrix(text: str) -> Rows | None:
    """The rows of a text that is one matrix, brackets around it or not."""
    match = MATRIX.search(text)
    if match is None or text[: match.start()] + text[match.end() :] not in ("", "()", "[]", r"\[\]", "||"):
        return None
    return _rows(match[2])


def _rows(text: str) -> Rows:
    lines = (line.strip() for line in ROW_END.split(text))
    return [[cell.strip(" ,.;") for cell in line.split("&")] for line in lines if line]


def _listed_rows(text: str) -> Rows | None:
    """The rows of a matrix as programs print it: [[1,2],[3,4]]."""
    items = items_of(text)
    rows = [items_of(row) for row in items[1]] if items is not None and items[0] == "[]" else [None]
    return None if None in rows else [row[1] for row in rows if row is not None]


def _is_determinant(text: str) -> bool:
    return r"\begin{vmatrix}" in text or text.startswith("|")
