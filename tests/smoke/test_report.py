"""The report of runs: every figure redrawn from its CSV, the page without scripts or requests; runs of all states named."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.planted import plant
from ufo_rl.commands import report
from ufo_rl.report.comparing.pairing import gather
from ufo_rl.report.disk.run_folders import find_runs
from ufo_rl.report.ledger.entries import entries
from ufo_rl.report.page.figure import COLOURS, Figure, svg
from ufo_rl.report.page.levels import draw_levels
from ufo_rl.report.page.sections import sections_of

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three selectors at two ratios, three seeds, with scores and curves; one failed, one broken, one that is somebody
    else's."""
    root, random = tmp_path_factory.mktemp("sweep"), np.random.default_rng(0)
    for seed in range(3):
        plant(root, "full", range(400 - seed, 500), ratio=1.0, seed=seed, rewards=[0.01 * i for i in range(30)])
        for selector in ("ufo", "random", "accuracy"):
            for ratio in (0.05, 0.1):
                wrong = frozenset(random.choice(500, 110, replace=False).tolist())
                signals = {"ufo": {"confidence": 1.4}, "accuracy": {"pass_rate": 20.0}}.get(selector)
                rewards = (0.5 + 0.01 * np.arange(30) + 0.02 * random.normal(size=30)).tolist()
                folder = plant(root, selector, wrong, ratio=ratio, seed=seed, signals=signals, rewards=rewards)
                scores(folder, random, ratio)
    plant(root, "band", range(400, 500), status={"state": "failed", "stage": "train", "error": "no <memory> & none"})
    (plant(root, "late", range(400, 500)) / "metrics.json").write_text("{")
    (root / "sweeps/demo/strange").mkdir()
    return root / "sweeps"


def scores(folder: Path, random: np.random.Generator, ratio: float) -> None:
    rates = random.integers(0, 17, 100) / 16
    kept = random.permutation(100) < 100 * ratio
    rows = [
        {"id": f"{i:03}", "question": f"What is <{i}> & more?", "answer": str(i), "level": str(i % 3), "tokens": 9}
        | {"confidence": float(rate) * 0.9 + 0.05, "pass_rate": float(rate), "samples": 16}
        | {"rank": i + 1, "kept": bool(kept[i])}
        for i, rate in enumerate(rates)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "scores.parquet")


@pytest.fixture(scope="module")
def figures(sweep: Path) -> list[Figure]:
    runs = find_runs([sweep])
    return [figure for section in sections_of(gather(runs), runs, entries([sweep])) for figure in section.figures]


def read_back(text: str) -> list[dict[str, Any]]:
    """Rows of a CSV with numbers as numbers, empty cells as None."""

    def value(cell: str) -> Any:
        if cell in ("", "True", "False"):
            return {"": None, "True": True, "False": False}[cell]
        try:
            return float(cell)
        except ValueError:
            return cell

    return [{key: value(cell) for key, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def test_there_is_a_figure_of_each_kind(figures: list[Figure]) -> None:
    names = {figure.name for figure in figures}
    assert {
        "ratio-math500",
        "arms-math500",
        "cost-math500",
        "reward",
        "confidence",
        "calibration",
        "live",
        "bias-level",
    } <= names
    assert all("%" in f.caption or "interval" in f.caption or "Overlap" in f.caption for f in figures)


def test_every_figure_is_drawn_from_its_csv_alone(figures: list[Figure]) -> None:
    """The same picture, to the byte, from the numbers read back."""
    for figure in figures:
        rows = [
            {key: _as(row[key], first) for key, first in zip(figure.rows[0], figure.rows[0].values(), strict=True)}
            for row in read_back(figure.csv())
        ]
        again = Figure(figure.name, figure.title, figure.caption, rows, figure.draw, figure.height)
        assert svg(again) == svg(figure), figure.name


def test_nine_kinds_of_bars_have_nine_looks() -> None:
    """Those beyond the seven colours have a pattern in a colour; names in the picture are its own, colours stay."""
    rows = [
        {"arm": f"arm {i}", "level": level, "questions": 9, "runs": 3, "accuracy": 50.0, "low": 40.0, "high": 60.0}
        for i in range(9)
        for level in ("1", "2")
    ]
    picture = svg(Figure("bars", "Bars", "", rows, draw_levels))
    colours = re.findall(r'(?:fill|stroke)(?:="|: )#([^";]*)', picture)
    assert all(re.fullmatch("[0-9a-f]{6}", colour) for colour in colours)
    assert {colour[1:].lower() for colour in COLOURS} <= set(colours)
    patterns = re.findall(r'<pattern id="([^"]+)".*?<rect [^>]*fill="(#[^"]+)"', picture, re.DOTALL)
    assert [colour for _, colour in patterns] == [colour.lower() for colour in COLOURS[:2]]
    assert {f"url(#{name})" for name, _ in patterns} == set(re.findall(r"url\(#bars-h[^)]*\)", picture))


def _as(value: Any, first: Any) -> Any:
    """A label that looks like a number is a label."""
    return f"{value:g}" if isinstance(first, str) and isinstance(value, float) else value


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key == "id" and value:
                self.ids.append(value)
            if key in ("src", "href", "xlink:href", "action", "data") and value:
                self.addresses.append(value)


def test_the_page_asks_for_nothing_and_names_every_run(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    assert report.run([str(sweep), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    text = out.read_text()
    page = Page()
    page.feed(text)
    assert "script" not in page.tags and "link" not in page.tags and not re.search(r"url\((?!#)|@import", text)
    assert page.addresses and all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    targets = {address[1:] for address in page.addresses if address[0] == "#"} | set(
        re.findall(r"url\(#([^)]+)\)", text)
    )
    assert targets <= set(page.ids)
    assert "no &lt;memory&gt; &amp; none" in text and "strange: no run folder" in text and "tiny-late" in text
    assert "What is &lt;" in text and "3 seeds" in text and "Wilson" in text


def test_figures_are_files_of_four_kinds(sweep: Path, tmp_path: Path, figures: list[Figure]) -> None:
    assert report.run([str(sweep), "--out", str(tmp_path / "page.html"), "--figures", str(tmp_path / "figures")]) == 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {f"{figure.name}.{kind}" for figure in figures for kind in ("pdf", "png", "svg", "csv")}
    assert (tmp_path / "figures/ratio-math500.pdf").read_bytes()[:5] == b"%PDF-"
    assert (tmp_path / "figures/ratio-math500.csv").read_text() == next(
        f for f in figures if f.name == "ratio-math500"
    ).csv()
