"""Reports are tested on planted folders: this holds these against what a run of today writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.conftest import SmallRun
from tests.planted import CACHE, plant
from ufo_rl.report import compare, summary
from ufo_rl.report.metrics import Answers, RunMetrics

pytestmark = pytest.mark.smoke
NODES = ("model", "dataset", "template", "ratio", "eval", "seed")  # of config.yaml: what reports read by name


def assert_same_keys(planted: Any, real: Any, where: str) -> None:
    """Every key of the planted object is one of the real one, and holds an object where that does."""
    if isinstance(planted, dict) and isinstance(real, dict):
        assert planted.keys() <= real.keys(), f"{where}: a run writes no {planted.keys() - real.keys()}"
        for key in planted:
            assert_same_keys(planted[key], real[key], f"{where}.{key}")
    elif planted is not None and real is not None:
        assert isinstance(planted, dict) == isinstance(real, dict), where


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())


def test_planted_runs_are_laid_out_as_real_ones(small_run: SmallRun, tmp_path: Path) -> None:
    real = small_run.folder
    planted = plant(tmp_path / "planted", "ufo", range(3), signals={"confidence": 1.0}, rewards=[0.5])
    for path in (p for p in planted.rglob("*") if p.is_file()):
        there = real / str(path.relative_to(planted)).replace("math500", "arithmetic")
        assert there.is_file(), f"a run writes no {there.relative_to(real)}"
        if path.suffix in (".json", ".yaml"):
            content = json.loads(json.dumps(read(path)).replace('"math500"', '"arithmetic"'))
            if path.name == "config.yaml":
                content = {node: content[node] for node in NODES}
            content.pop("dropped", None)  # its keys are reasons, of which this real run may have none
            assert_same_keys(content, read(there), there.name)
    lines = [json.loads(line) for line in (real / "metrics.jsonl").read_text().splitlines()]
    (line,) = map(json.loads, (planted / "metrics.jsonl").read_text().splitlines())
    assert any(line.keys() <= other.keys() for other in lines if other["stage"] == "train")
    pointer = read(real / "base_eval/arithmetic.json")["cache"]
    assert Path(pointer).parent == Path(CACHE).parent
    tables = [
        pq.read_schema(root / f"eval/{name}/questions.parquet")
        for root, name in ((planted, "math500"), (real, "arithmetic"))
    ]
    assert tables[0].names == tables[1].names

    shown = read(real / "run.json")["display_name"]
    assert shown.startswith("tiny-arithmetic-ufo-20pct-") and "max_steps=2" in shown and "tracker" not in shown
    assert shown.rpartition("-")[2] == real.name.rpartition("-")[2]

    metrics = read(real / "metrics.json")
    assert metrics.keys() == RunMetrics.__annotations__.keys() | {"schema", "eval", "facts", "seconds"}
    for found in metrics["eval"]["arithmetic"].values():
        assert found.keys() >= Answers.__annotations__.keys()
    said = summary(real)
    for word in ("pool ", "selection ", "training ", "arithmetic ", "change ", "seconds ", "Signals, wall time"):
        assert f"  {word}" in said, word
    assert "points, paired by question" in said and "ufo 20%" in compare([real])
