"""`ufo-rl report`: the page as one file, and its figures as files of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ufo_rl.files.atomic import write_text
from ufo_rl.report.comparing.pairing import gather
from ufo_rl.report.disk.run_folders import find_runs
from ufo_rl.report.ledger.entries import entries
from ufo_rl.report.page.figure import Figure, save, svg
from ufo_rl.report.page.sections import Section, sections_of

TEMPLATE = Path(__file__).with_name("page.html.j2")


def write_page(
    paths: Sequence[str | Path], out: Path, baseline: str | None, figures: Path | None, tell: Callable[[str], object]
) -> list[Path]:
    """Write the page of all that lies in or below the paths, and each figure as PDF, PNG, SVG and CSV in `figures`; the
    files that were written. `tell` hears what is being done. UserError as `compare` raises it."""
    runs = find_runs(paths)
    sections = sections_of(gather(runs, baseline), runs, entries(paths))
    tell(f"{len(runs)} runs read; drawing {sum(len(one.figures) for one in sections)} figures")
    names = ", ".join(str(path) for path in paths)
    write_text(out, page(f"ufo-rl report: {names}", sections))
    written = [out]
    for section in sections if figures is not None else ():
        end = section.id.partition("-")[2]
        for figure in section.figures:
            own = figure if not end else replace(figure, name=f"{figure.name}-{end}")
            written += save(own, Path(figures or "."))
            tell(f"{figures}/{own.name}: pdf, png, svg, csv")
    return written


def page(title: str, sections: Sequence[Section]) -> str:
    """The HTML: no script, no request, every text escaped but the pictures, which are ours."""
    from jinja2 import Environment
    from markupsafe import Markup

    template = Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    about = (
        f"Written {time.strftime('%Y-%m-%d %H:%M')} from the run folders alone. Verdicts hold for all comparisons "
        f"of a block together; "
        '"better" and "worse" are said where that is shown, everything else is not detectable with these seeds.'
    )
    shown = [
        {**vars(section), "figures": [_shown(figure, Markup, section.id) for figure in section.figures]}
        for section in sections
    ]
    return template.render(title=title, about=about, sections=shown)


def _shown(figure: Figure, markup: Any, section: str) -> dict[str, Any]:
    # ids inside the pictures must differ all over the page
    own = replace(figure, name=f"{section}-{figure.name}")
    header = list(figure.rows[0])
    rows = [[_cell(row[key]) for key in header] for row in figure.rows]
    return {
        "name": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "svg": markup(svg(own)),
        "header": header,
        "rows": rows,
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
