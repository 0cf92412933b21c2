"""A figure is its numbers and how they are drawn: nothing is plotted that its CSV does not hold."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.files.atomic import write_text, writing

Row = Mapping[str, Any]  # of one kind in a figure: text, numbers, or None for a number that is not known
# Okabe and Ito's colours for all eyes, the yellow left out (too pale on white); with markers, so that print tells them
# apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "////", "xxxx", "....")
WIDTH, HEIGHT = 5.0, 3.3  # inches
STYLE: dict[Any, Any] = {
    "figure.figsize": (WIDTH, HEIGHT),
    "font.size": 10.0,
    "font.family": "sans-serif",
    "text.parse_math": False,  # a label is what the user called it, dollars too
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


@dataclass(frozen=True)
class Figure:
    """`name`: of its files, a word. `caption`: what it shows, of how many seeds, with which intervals. `rows`: all that is
    plotted, the same keys in each. `draw(axes, rows)`: puts exactly these on the axes."""

    name: str
    title: str
    caption: str
    rows: Sequence[Row]
    draw: Callable[[Any, Sequence[Row]], None]
    height: float = HEIGHT

    def csv(self) -> str:
        """The rows, nothing rounded; an empty cell is None."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return stream.getvalue()


def svg(figure: Figure) -> str:
    """The picture as an element for a page: as wide as there is room, text as text, the same bytes each time."""
    stream = io.StringIO()
    with _drawn(figure) as made:
        made.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    # ids must differ between the pictures of one page
    element = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{figure.name}-", text[text.index("<svg") :])
    head, _, rest = element.partition(">")
    kept = " ".join(word for word in _attributes(head) if not word.startswith(("width=", "height=")))
    label = figure.title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'<svg {kept} role="img" aria-label="{label}">{rest}'


def save(figure: Figure, folder: Path) -> list[Path]:
    """PDF, PNG (300 dots an inch), SVG and CSV in `folder`; their paths."""
    paths = []
    with _drawn(figure) as made:
        for kind in ("pdf", "png", "svg"):
            path = folder / f"{figure.name}.{kind}"
            about = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else {}
            with writing(path) as temporary:
                made.savefig(temporary, format=kind, dpi=300, metadata=about)
            paths.append(path)
    write_text(folder / f"{figure.name}.csv", figure.csv())
    return [*paths, folder / f"{figure.name}.csv"]


@contextmanager
def _drawn(figure: Figure) -> Iterator[Any]:
    """The figure of matplotlib, without pyplot and its global state; settings are back as they were in the end."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context({**STYLE, "svg.hashsalt": figure.name}):
        made = Canvas(figsize=(WIDTH, figure.height), layout="constrained")
        FigureCanvasAgg(made)
        figure.draw(made.add_subplot(), figure.rows)
        yield made


def _attributes(head: str) -> list[str]:
    """xmlns="..." width="..." of an opening tag, without its name; no value here holds a space but viewBox."""
    found, rest = [], head.removeprefix("<svg").strip()
    while rest:
        key, _, rest = rest.partition('="')
        value, _, rest = rest.partition('"')
        found.append(f'{key.strip()}="{value}"')
        rest = rest.strip()
    return found


def look(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the index-th series."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],  # no two series have both alike
        "linestyle": DASHES[(index // len(COLOURS)) % len(DASHES)],
    }


def fill(index: int) -> dict[str, Any]:
    """Colour and pattern of the index-th kind of bar."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "hatch": HATCHES[index // len(COLOURS) % len(HATCHES)],
        "edgecolor": "white",
    }


def span(counts: Iterable[int]) -> str:
    """3, or 3 to 5"""
    found = sorted({*counts})
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"


def series(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    """The rows by one of their values, in order of appearance."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row[key]), []).append(row)
    return found
