"""Pass rates of the embedded lab: samples are stored once and serve every K, adaptive mode and later files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.scoring_only import collect
from ufo_rl.model.weights import packaged
from ufo_rl.signals.flops import weights_of

pytestmark = pytest.mark.smoke
FEW = ("selector=accuracy", "dataset.num_prompts=48", "ratio=50pct", "launch.threads_per_rank=1")


def rates(*overrides: str) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    account, columns = collect([*FEW, *overrides])
    return account, columns["pass_rate"], columns["samples"]


def stored(folder: Path) -> list[dict[str, Any]]:
    chunks = folder.glob("outputs/cache/signals/pass_rate-*/chunk-*.parquet")
    return [row for chunk in chunks for row in pq.read_table(chunk).to_pylist()]


@pytest.mark.soak
def test_samples_serve_every_k_adaptive_mode_and_later_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    adaptive = "signal.pass_rate.adaptive=[0.4,0.6]"
    some, rough, few = rates("signal.pass_rate.num_samples=8", adaptive)
    assert some["num_scored"] == few.sum() < 8 * 48 and set(few.tolist()) == {4, 8}

    whole, exact, all_8 = rates("signal.pass_rate.num_samples=8")
    assert whole["num_scored"] == 8 * 48 - some["num_scored"] and (all_8 == 8).all()
    assert (rough[few == 8] == exact[few == 8]).all()  # only those that were left are rough
    texts = {row["id"]: row["num_tokens"] for row in stored(tmp_path)}
    assert whole["cost_forward_tokens"] == 8 * sum(n - 1 for n in texts.values()) and len(texts) == 48
    body, head = weights_of(packaged("package:lab/tiny"))
    operations = 2 * (body * (whole["cost_forward_tokens"] + whole["cost_generated_tokens"]))
    assert whole["cost_flops"] == operations + 2 * head * whole["cost_generated_tokens"]
    assert 0 < whole["flops"] < whole["cost_flops"] and 0 < whole["share_of_matrix_rate"] < 1
    assert whole["cost_device_seconds"] == pytest.approx(whole["cost_seconds"]) and whole["cost_seconds"] > 0
    again, rough_again, few_again = rates("signal.pass_rate.num_samples=8", adaptive)
    assert again["num_scored"] == 0 and (rough_again == rough).all() and (few_again == few).all()

    less, first_4, _ = rates("signal.pass_rate.num_samples=4")
    more, _, _ = rates("signal.pass_rate.num_samples=10")
    assert (less["num_scored"], more["num_scored"]) == (0, 2 * 48)
    assert 0 < less["cost_flops"] < whole["cost_flops"] < more["cost_flops"] and "flops" not in less

    added, _, _ = rates("dataset.num_prompts=49", "signal.pass_rate.num_samples=1", "launch.num_ranks=2")
    assert added["num_scored"] == 1  # one sample for two ranks

    pq.write_table(pa.Table.from_pylist(stored(tmp_path)), "old.parquet")
    graded, replayed, _ = rates("signal.pass_rate.num_samples=4", "signal.pass_rate.rollouts=old.parquet")
    assert (graded["num_scored"], graded["generated_tokens"], graded["forward_tokens"]) == (4 * 48, 0, 0)
    assert "cost_flops" not in graded
    assert (replayed == first_4).all() and 0 < replayed.mean() < 1
