"""The whole path on the embedded lab, and what a second run must not do again."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from statistics import fmean

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from tests.conftest import SmallRun, Ufo
from tests.scoring_only import collect
from ufo_rl.config.build import build
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.prepare import prepare
from ufo_rl.model.template import messages, render
from ufo_rl.model.weights import load_model, load_tokenizer, packaged

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")


def test_a_run_leaves_everything_and_the_next_one_scores_nothing(small_run: SmallRun) -> None:
    ufo, folder = small_run.ufo, small_run.folder
    assert folder.parent == ufo.folder / "outputs/runs/dev" and folder.name.startswith("tiny-arithmetic-ufo-20pct-s0-")
    metrics = ufo.metrics(folder)
    assert (metrics["num_pool"], metrics["num_selected"], metrics["steps"]) == (96, 19, 2)  # floor(0.2 * 96)
    assert metrics["signals"]["confidence"]["num_scored"] == 96
    final = metrics["eval"]["arithmetic"]["final"]
    assert final["n"] == 24 and 0 <= final["accuracy"] <= 1

    scores = pq.read_table(folder / "scores.parquet").to_pylist()
    kept = sorted(row["id"] for row in scores if row["kept"])
    assert len(scores) == 96 and len(kept) == 19 and sorted(row["rank"] for row in scores) == list(range(1, 97))
    mean = fmean(row["confidence"] for row in scores)
    assert max(abs(row["fuzziness"] - (1 - (row["confidence"] - mean) ** 2)) for row in scores) < 1e-12
    assert kept == sorted(row["id"] for row in scores if row["rank"] <= 19)
    assert all(row["tokens"] > row["num_target_tokens"] >= 1 for row in scores)
    assert kept == json.loads((folder / "selection.json").read_text())["ids"]
    assert pq.read_table(folder / "eval/arithmetic/questions.parquet").num_rows == 24
    assert yaml.safe_load((folder / "config.yaml").read_text())["ratio"] == {"value": 0.2}
    assert not list(folder.rglob("*.bin")) and not list(folder.rglob("*.pkl"))
    trained = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in trained if line["stage"] == "train" and line["event"] == "metrics"]
    assert steps == [1, 2]

    assert "done before" in ufo.run(*ufo.SMALL, *small_run.ARGUMENTS)


@pytest.mark.soak
def test_sampled_accuracy_selects_and_more_than_one_pass_over_the_samples_is_logged(ufo: Ufo) -> None:
    more = ("signal.pass_rate.num_samples=4", "train.num_iterations=2", "train.beta=0.01", "train.max_steps=4")
    folder = ufo.experiment("selector=accuracy", "ratio=20pct", *more)
    metrics = ufo.metrics(folder)
    account = metrics["signals"]["pass_rate"]
    assert account["num_scored"] == 4 * 96 and account["generated_tokens"] >= 4 * 96
    assert 0 < account["cost_seconds"] < metrics["seconds"]["pass_rate"] + 1
    chunks = (ufo.folder / "outputs/cache/signals").glob("pass_rate-*/chunk-*.parquet")
    stored = [row for chunk in chunks for row in pq.read_table(chunk).to_pylist()]
    correct = {(row["id"], row["sample"]): row["correct"] for row in stored}
    assert len(correct) == len(stored) == 4 * 96 and {sample for _, sample in correct} == {0, 1, 2, 3}
    scores = pq.read_table(folder / "scores.parquet").to_pylist()
    assert all(row["pass_rate"] == sum(correct[row["id"], k] for k in range(4)) / 4 for row in scores)
    distance = {row["id"]: abs(row["pass_rate"] - 0.5) for row in scores}
    kept = {row["id"] for row in scores if row["kept"]}
    assert len(kept) == 19 and max(distance[i] for i in kept) <= min(distance[i] for i in distance if i not in kept)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["stage"] == "train" and line["event"] == "metrics"]
    assert [line["step"] for line in train] == [1, 2, 3, 4]  # the second pass over a batch of samples counts too
    assert all("kl" in line for line in train)
    # 16 completions in each of two generations
    assert metrics["generated_tokens"] == round(16 * sum(x["completions/mean_length"] for x in (train[0], train[2])))


@pytest.mark.soak
def test_only_what_is_not_stored_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ratio, seed and a change between ufo, random and full measure nothing; another template measures everything."""
    monkeypatch.chdir(tmp_path)
    accounts = {}
    for name, overrides in {
        "first": [],
        "ratio": ["ratio=20pct"],
        "seed": ["seed=1"],
        "median": ["selector.center=median"],
        "high": ["selector=ufo_high"],
        "grown": ["dataset.num_prompts=54"],
        "template": ["template.user='{question} '"],
    }.items():
        accounts[name], _ = collect(["dataset.num_prompts=48", "ratio=50pct", "launch.threads_per_rank=1", *overrides])
    for selector in ("full", "random"):
        assert build(compose_jobs([f"selector={selector}"])[0].plain["selector"], "selector").signals == ()
    work = {name: (a["num_scored"], a["forward_tokens"] > 0, a["generated_tokens"]) for name, a in accounts.items()}
    assert work == {
        "first": (48, True, 0),
        "ratio": (0, False, 0),
        "seed": (0, False, 0),
        "median": (0, False, 0),
        "high": (0, False, 0),
        "grown": (6, True, 0),
        "template": (48, True, 0),
    }
    for cost in ("cost_seconds", "cost_flops", "cost_peak_memory_gib"):
        assert accounts["ratio"][cost] == accounts["first"][cost] > 0
    assert accounts["first"]["flops"] == accounts["first"]["cost_flops"] < accounts["grown"]["cost_flops"]


@pytest.mark.soak
def test_real_data_goes_the_same_way(ufo: Ufo, shared_data: Path) -> None:
    """Forty rows of GSM8K as one's own file, MATH-500 cut to a subset, the lab's model: honest zeros or little more."""
    rows = (shared_data / "gsm8k_train.jsonl").read_text().splitlines()[:40]
    (ufo.folder / "mine.jsonl").write_text("\n".join(rows) + "\n")
    output = ufo.run(
        *(
            "model=tiny",
            "dataset=custom",
            "dataset.path=mine.jsonl",
            r"dataset.answer_pattern='####\s*(.+)'",
            "ratio=50pct",
        ),
        *("eval=math500", "eval.math500.limit=8", "train.max_steps=1", "train.per_device_train_batch_size=16"),
        *("launch.threads_per_rank=1", "tracker=off", "model.max_completion_tokens=32"),
        UFO_RL_DATA=str(shared_data),
    )
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    metrics = ufo.metrics(folder)
    assert (metrics["num_pool"], metrics["num_selected"], metrics["eval"]["math500"]["final"]["n"]) == (40, 20, 8)
    assert "(subset)" in output


@pytest.mark.parametrize(
    "target", ["response", *(pytest.param(name, marks=pytest.mark.soak) for name in ("solution", "question"))]
)
def test_every_target_is_within_1e5_of_float64_and_reductions_score_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["model=tiny", "dataset.num_prompts=48", "ratio=50pct", f"signal.confidence.target={target}"]
    few += ["signal.confidence.keep_token_logprobs=true", "launch.threads_per_rank=1"]
    collect(few)
    (chunk,) = tmp_path.glob("outputs/cache/signals/confidence-*/chunk-*.parquet")
    stored = {row["id"]: row for row in pq.read_table(chunk).to_pylist()}
    (job,) = compose_jobs(few[:3])
    config, tokenizer = load(job.plain), load_tokenizer(LAB)
    double = load_model(LAB, "float64", "cpu")
    for prompt in prepare(config).pool.prompts:
        row, head = stored[prompt.id], render(tokenizer, messages(config.template, prompt.question, True))
        if target == "solution":
            text, words = f"{head}<think> {prompt.solution}", prompt.solution
        elif target == "question":
            text, words = head[: head.index(prompt.question) + len(prompt.question)], prompt.question
        else:
            text, words = head + row["response"], row["response"]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if target == "response" and row["num_target_tokens"] > len(
            tokenizer(words, add_special_tokens=False)["input_ids"]
        ):
            ids.append(tokenizer.eos_token_id)  # it ended by itself: its end token counts too
        with torch.no_grad():
            logprobs = torch.log_softmax(double(torch.tensor([ids])).logits[0], -1)
        num = row["num_target_tokens"]
        assert num == len(row["token_logprobs"]) and tokenizer.decode(ids[-num:], skip_special_tokens=True) == words
        terms = [logprobs[i - 1, ids[i]].item() for i in range(len(ids) - num, len(ids))]
        for name, value in (("mean", fmean(terms)), ("sum", math.fsum(terms)), ("min", min(terms))):
            assert row[f"{name}_logprob"] == pytest.approx(value, rel=1e-5, abs=1e-5)
    account, columns = collect([*few, "signal.confidence.reduction=min"])
    assert (account["num_scored"], account["num_cached"]) == (0, 48)
    least = np.array([stored[i]["min_logprob"] for i in columns["id"]])
    assert (columns["confidence"] == np.exp(least)).all() and (columns["min_logprob"] == least).all()


@pytest.mark.soak
def test_doctor_tells_how_stable_the_selection_is(ufo: Ufo) -> None:
    output = ufo.run("doctor", "dataset.num_prompts=120", "launch.threads_per_rank=1")
    rows = {name: rest.split() for name, rest in re.findall(r"^(\w+, [\w ]+?)  +(.*)$", output, flags=re.M)}
    assert rows["float32, batch 1"][:4] == ["0.0e+00", "0.0e+00", "100.0%", "1.000"]
    assert 0 < float(rows["float32, batch 64"][0]) < 1e-5 < float(rows["bfloat16, shared prefix"][0]) < 0.1
    assert "As configured: stable." in output
    assert "does not use confidence" in ufo.run("doctor", "selector=random", status=2)
    (ufo.folder / "conf/selector").mkdir(parents=True)
    (ufo.folder / "conf/selector/mine.yaml").write_text("_target_: ufo_rl.selector.full.Full\nname: mine\n")
    assert "selector=mine does not use" in ufo.run("doctor", "--config-dir", "conf", "selector=mine", status=2)
