"""Pieces of the real line: joined, with holes cut out, compared."""

from __future__ import annotations

from dataclasses import dataclass

import mpmath

from ufo_rl.grader.math.formula.operations import Value
from ufo_rl.grader.math.formula.value import same_value


@dataclass(frozen=True)
class Piece:
    """An interval; `low` and `high` are values or infinite, closed where they belong to it."""

    low: Value
    low_closed: bool
    high: Value
    high_closed: bool


REALS = Piece(-mpmath.inf, False, mpmath.inf, False)


def same_pieces(a: list[Piece], b: list[Piece]) -> bool:
    return len(a) == len(b) and all(
        x.low_closed == y.low_closed
        and x.high_closed == y.high_closed
        and same_value(x.low, y.low)
        and same_value(x.high, y.high)
        for x, y in zip(a, b, strict=True)
    )


def joined(pieces: list[Piece]) -> list[Piece]:
    """In order; pieces that overlap or touch made one, empty ones left out."""
    alive = [p for p in pieces if p.low < p.high or (same_value(p.low, p.high) and p.low_closed and p.high_closed)]
    found: list[Piece] = []
    for piece in sorted(alive, key=lambda p: (p.low, not p.low_closed)):
        last = found[-1] if found else None
        if last is not None and (
            piece.low < last.high or (same_value(piece.low, last.high) and (piece.low_closed or last.high_closed))
        ):
            if piece.high > last.high:
                found[-1] = Piece(last.low, last.low_closed, piece.high, piece.high_closed)
            elif same_value(piece.high, last.high):
                found[-1] = Piece(last.low, last.low_closed, last.high, last.high_closed or piece.high_closed)
        else:
            found.append(piece)
    return found


def without(pieces: list[Piece], holes: list[Value]) -> list[Piece]:
    for hole in holes:
        cut: list[Piece] = []
        for piece in pieces:
            if piece.low <= hole <= piece.high:
                cut += [
                    Piece(piece.low, piece.low_closed, hole, False),
                    Piece(hole, False, piece.high, piece.high_closed),
                ]
            else:
                cut.append(piece)
        pieces = joined(cut)
    return pieces
