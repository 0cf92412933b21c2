"""Stages in child ranks: scoring by one and by two ranks, and how their failures reach the user."""

from __future__ import annotations

import math
import shutil
import socket
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import SmallRun, Ufo
from tests.waiting import BACKSTOP_S
from ufo_rl.config.build import build
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.config.schema import Config
from ufo_rl.errors import StageFailed, UserError
from ufo_rl.experiment.prepare import prepare
from ufo_rl.files.store import Store
from ufo_rl.launch.publish import SignalRow
from ufo_rl.launch.stages import Stages
from ufo_rl.model.template import messages, render
from ufo_rl.model.weights import load_model, load_tokenizer, packaged
from ufo_rl.signals.confidence.settings import ConfidenceRequest
from ufo_rl.signals.confidence.target import scored_text
from ufo_rl.signals.pass_rate.settings import PassRateRequest

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")


def settings(*overrides: str) -> Config:
    (job,) = compose_jobs(
        ["model=tiny", "dataset.num_prompts=60", "ratio=50pct", "launch.threads_per_rank=1", *overrides]
    )
    return load(job.plain)


def score(folder: Path, config: Config, rows: Iterable[dict[str, Any]]) -> tuple[Store, list[dict[str, Any]]]:
    """Score rows by the lab in ranks, as a run does: the store, and the result of each rank."""
    store = Store.of(folder, "confidence", {})
    store.create()
    signal = build(config.signal["confidence"], "signal.confidence")
    stages = Stages(folder, config.launch)
    stages.spool("score", rows)
    request = ConfidenceRequest(LAB, config.model.dtype, store.folder, signal, config.engine)
    return store, stages.run("score", signal.rank, request, store.key)


def lab_rows(config: Config) -> list[SignalRow]:
    tokenizer = load_tokenizer(LAB)
    rows = []
    for prompt in prepare(config).pool.prompts:
        rendered = render(tokenizer, messages(config.template, prompt.question, True))
        text, start = scored_text("answer", rendered, prompt)
        rows.append(SignalRow.of(prompt.id, text, start, prompt.answer))
    return rows


def reference(rows: list[SignalRow]) -> dict[str, float]:
    """Confidence of each row alone in float64, its target found by the bytes of this byte-level tokenizer."""
    model, tokenizer = load_model(LAB, "float64", "cpu"), load_tokenizer(LAB)
    found = {}
    for row in rows:
        ids = tokenizer(row.text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logprobs = torch.log_softmax(model(torch.tensor([ids])).logits[0], -1)
        num_target = len(row.gold.encode())
        assert tokenizer.decode(ids[-num_target:]) == row.gold
        terms = [logprobs[i - 1, ids[i]].item() for i in range(len(ids) - num_target, len(ids))]
        found[row.key] = math.exp(math.fsum(terms) / num_target)
    return found


@pytest.mark.soak
def test_one_and_two_ranks_agree_with_the_reference(tmp_path: Path) -> None:
    expected = None
    for num_ranks, batch_size in ((1, 64), (2, 7)):
        config = settings(f"launch.num_ranks={num_ranks}", f"signal.confidence.batch_size={batch_size}")
        rows = lab_rows(config)
        expected = expected or reference(rows)
        folder = tmp_path / str(num_ranks)
        store, results = score(folder, config, map(asdict, rows[:: 1 if num_ranks == 1 else -1]))
        assert [r["num_scored"] for r in results] == ([60] if num_ranks == 1 else [30, 30])
        table = store.read([row.key for row in rows], ["mean_logprob", "num_target_tokens", "border"])
        stored = {row["key"]: row for row in table.to_pylist()}
        assert len(stored) == len(table) == 60
        difference = [math.exp(stored[row.key]["mean_logprob"]) - expected[row.key] for row in rows]
        assert np.abs(difference).max() < 1e-5
        assert all(stored[row.key]["num_target_tokens"] == len(row.gold) for row in rows)
    assert expected is not None and np.std(list(expected.values())) > 0.1


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_crash_names_its_error_and_its_log(tmp_path: Path, num_ranks: int) -> None:
    rows = [{"key": str(i)} for i in range(2)]  # and no text: what no user can do
    with pytest.raises(StageFailed, match=r"TypeError: SignalRow.*missing.*'text'") as caught:
        score(tmp_path, settings(f"launch.num_ranks={num_ranks}"), rows)
    assert "logs/score.log" in str(caught.value)


def test_a_users_mistake_in_a_rank_is_no_crash(tmp_path: Path) -> None:
    config, stages = settings(), Stages(tmp_path, settings().launch)
    signal = build(config.signal["pass_rate"], "signal.pass_rate")
    grader = {**config.grader, "time_limit_s": 0.0}
    request = PassRateRequest(LAB, config.model.dtype, tmp_path, 0, signal, config.engine, grader, [], (), "")
    stages.spool("pass_rate", [])
    with pytest.raises(UserError, match=r"^grader\.time_limit_s=0\.0 must be > 0$"):
        stages.run("pass_rate", signal.rank, request, "any")


@pytest.mark.soak
def test_two_hosts_score_as_one(ufo: Ufo, small_run: SmallRun) -> None:
    """Two commands with one rank each, as two hosts would run them, meet on the loopback interface; the second comes late,
    when the first already waits for it. The base model's answers are there already."""
    for name in ("completions", "evaluations"):
        shutil.copytree(small_run.ufo.folder / "outputs/cache" / name, ufo.folder / "outputs/cache" / name)
    small = (*small_run.ARGUMENTS, "train.max_steps=1", "train.save_steps=null")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nodes = ("launch.num_ranks=2", "launch.num_nodes=2", f"launch.rendezvous=127.0.0.1:{port}")
    batch = "train.per_device_train_batch_size=8"
    first = ufo.start(*ufo.SMALL, *small, *nodes, batch)
    while not list(ufo.folder.glob("outputs/runs/dev/*/.work/*/request.json")):
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.2)
    time.sleep(2)
    second = ufo.start(*ufo.SMALL, *small, *nodes, batch, "launch.node_rank=1")
    try:
        told, _ = first.communicate(timeout=3 * BACKSTOP_S)
        said, _ = second.communicate(timeout=BACKSTOP_S)
    finally:
        first.kill()
        second.kill()
    assert (first.returncode, second.returncode) == (0, 0) and "joining with 1 ranks" in said, told + said
    (together,) = ufo.folder.glob("outputs/runs/dev/*")
    assert ufo.metrics(together)["signals"]["confidence"]["num_scored"] == 96
    chunks = list((ufo.folder / "outputs/cache/signals").glob("confidence-*/chunk-*.parquet"))
    assert len(chunks) == 2  # one of each rank
    one, two = (pq.read_table(folder / "scores.parquet").sort_by("id") for folder in (small_run.folder, together))
    assert one["id"] == two["id"] and one["kept"] == two["kept"]
    assert np.abs(one["confidence"].to_numpy() - two["confidence"].to_numpy()).max() < 1e-5
