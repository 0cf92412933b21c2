"""Numbers and tables as plain text for a terminal of 120 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ufo_rl.stats.intervals import Difference

MAX_COLUMNS = 120
GAP = "  "
NOTHING = "-"
MIN_FIRST = 8  # columns that the first keeps
MIN_WORDY = 24  # columns that words get at least


def percent(share: float | None) -> str:
    """0.412 -> 41.2"""
    return NOTHING if share is None else f"{100 * share:.1f}"


def interval(low: float, high: float) -> str:
    """Of shares, in percent: [47.6, 56.4]"""
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def points(difference: Difference | None) -> str:
    """A difference of shares in percentage points with its interval, where it has one: -0.6 [-3.9, +2.7]"""
    if difference is None:
        return NOTHING
    if difference.low != difference.low:  # of one seed whose questions are not known
        return f"{100 * difference.value:+.1f}"
    return f"{100 * difference.value:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def seconds(value: float | None) -> str:
    """Seconds with one decimal below 100, none above; no unit."""
    if value is None:
        return NOTHING
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def count(value: float | None) -> str:
    """1319 -> 1,319; a fraction keeps two decimals."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], is_wordy: bool = False) -> str:
    """Aligned columns, the first to the left and cut to fit 120 columns, the others to the right; is_wordy: the last to the
    left, its words in as many lines as they need."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    if is_wordy:
        rest = MAX_COLUMNS - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
        widths[-1] = min(widths[-1], max(MIN_WORDY, rest))
        rows = [line for row in rows for line in _wrapped(row, widths[-1])]
    widths[0] = max(MIN_FIRST, min(widths[0], MAX_COLUMNS - sum(widths[1:]) - len(GAP) * (len(widths) - 1)))
    lines, to_the_left = [], {0, len(widths) - 1} if is_wordy else {0}
    for row in [header, ["-" * width for width in widths], *rows]:
        first = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "~"
        cells = [first, *row[1:]]
        aligned = [
            cell.ljust(width) if i in to_the_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append(GAP.join(aligned).rstrip())
    return "\n".join(lines)


def _folded(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, or where it is too wide its parts below each other, the first column in each."""
    widths = [max(len(row[i]) for row in [header, *rows]) + len(GAP) for i in range(len(header))]
    parts: list[list[int]] = [[]]
    for i in range(1, len(header)):
        if parts[-1] and widths[0] + sum(widths[j] for j in (*parts[-1], i)) > MAX_COLUMNS + len(GAP):
            parts.append([])
        parts[-1].append(i)
    return "\n\n".join(
        table([header[i] for i in (0, *own)], [[row[i] for i in (0, *own)] for row in rows]) for own in parts
    )


def _wrapped(row: Sequence[str], width: int) -> list[list[str]]:
    """The row with the first line of its last cell, and a row for each further one."""
    first, *more = textwrap.wrap(row[-1], width) or [""]
    return [[*row[:-1], first], *([""] * (len(row) - 1) + [line] for line in more)]


def titled(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], is_markdown: bool = False, is_wordy: bool = False
) -> str:
    """A table below its title, for a terminal or as Markdown."""
    if is_markdown:
        return f"{title}\n\n{markdown(header, rows)}"
    return f"{title}\n{table(header, rows, is_wordy) if is_wordy else _folded(header, rows)}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a table of Markdown, nothing cut; the first column to the left."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    ruler = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (lines[0], ruler, *lines[1:]))


def fit(text: str) -> str:
    """The same text with lines of more than 120 columns wrapped at spaces and continued further in."""
    lines = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        lines += textwrap.wrap(
            line, MAX_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)
