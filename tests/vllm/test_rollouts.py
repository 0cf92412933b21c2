"""GRPO whose completions real vLLM generates, colocated on a CPU, which it can be by the switch for tests alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vllm.wide import widen
from ufo_rl.files.journal import parse
from ufo_rl.model.weights import packaged

VLLM = ("rollout=vllm_colocate", "rollout.cpu_for_tests=true", "rollout.sleep=false", "rollout.check_every=2")
# A reward is built in the rank: one that is imported there can do what a broken version of a library would.
DEAD = """
from trl.generation.vllm_generation import VLLMGeneration

VLLMGeneration.sync_weights = lambda self: None


def none(completions):
    return [0.0] * len(completions)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return widen(packaged("package:lab/rules"), tmp_path_factory.mktemp("lab") / "wide")


def train(folder: Path, here: Path, name: str, *words: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    """A run of a few steps in `here`: its metrics by step, its alarms, what was told."""
    command = [
        *(sys.executable, "-m", "ufo_rl.cli", f"model.path={folder}", "dataset=rules", "template=short"),
        *(() if any(word.startswith("train=") for word in words) else ("train=rules",)),
        *("eval=[rules_zone]", "eval.rules_zone.limit=8", "selector=random", "tracker=off"),
        *(() if any(word.startswith("deepspeed=") for word in words) else ("deepspeed=off",)),
        *(f"name={name}", "train.max_steps=5", *words),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = here.glob(f"outputs/runs/{name}/*/metrics.jsonl")
    lines = [line for line in parse(journal.read_bytes()) if line["stage"] == "train"]
    metrics = [line for line in lines if line["event"] == "metrics"]
    return metrics, [line for line in lines if line["event"] == "alarm"], done.stdout + done.stderr


def test_both_compute_the_same_and_nothing_rings(folder: Path, tmp_path: Path) -> None:
    """vLLM's numbers are the trainer's, to rounding in float32, before the first step and after updates; the weights that are
    saved are those that were trained. Adapters are handed over merged, of two ranks under ZeRO 3 layer by layer."""
    ranks = ("launch.num_ranks=2", "train.per_device_train_batch_size=32", "deepspeed=zero3")
    for name, words in (("all", ()), ("adapter", ("train=rules_lora", *ranks))):
        metrics, alarms, _ = train(folder, tmp_path, name, *VLLM, *words)
        assert alarms == [] and len(metrics) == 5
        checked = [line for line in metrics if "drift/kl" in line]
        assert [line["step"] for line in checked] == [1, 3, 5]
        for line in checked:
            assert line["drift/probe_mean"] < 1e-5 and line["drift/kl"] < 1e-10
            assert line["drift/ratio_mean"] == pytest.approx(1.0, abs=1e-5) and line["drift/difference_max"] < 1e-4
        assert any(line["grad_norm"] > 0 for line in metrics[:4])  # else nothing had to be handed over
        (run,) = tmp_path.glob(f"outputs/runs/{name}/*")
        assert json.loads((run / "train/manifest.json").read_text())["steps"] == 5


def test_weights_that_never_arrive_are_told_at_the_next_probe(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dead_sync.py").write_text(DEAD)
    dead = ("plugins=[dead_sync]", "+reward.parts.dead._target_=dead_sync.none", "+reward.parts.dead.weight=0.0")
    _, alarms, told = train(folder, tmp_path, "dead", *VLLM, *dead)
    first = alarms[0]
    assert first["step"] == 3 and first["name"] == "weights_not_synced" and "old weights" in first["words"]
    assert "weights_not_synced: vLLM's log-probabilities of the probe are the same to the last digit" in told


@pytest.mark.parametrize(
    ("name", "word", "why"),
    [
        ("part", "train.trl.top_p=0.8", "train.trl.top_p=0.8 leaves part of the distribution out"),
        ("half", "rollout.dtype=bfloat16", "vLLM computes in bfloat16, the training in float32"),
    ],
)
def test_other_sampling_and_another_dtype_are_named(
    folder: Path, tmp_path: Path, name: str, word: str, why: str
) -> None:
    _, alarms, _ = train(folder, tmp_path, name, *VLLM, word, "train.max_steps=1")
    assert [line["name"] for line in alarms] == ["rollout_drift"]
    assert why in alarms[0]["words"] and "KL" in alarms[0]["words"]


def test_without_the_switch_a_cpu_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("vllm_colocate", "vllm_server"):
        words = ("rollout.server=http://localhost:8000",) if name == "vllm_server" else ()
        command = [sys.executable, "-m", "ufo_rl.cli", f"rollout={name}", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 2 and f"rollout={name} on a CPU" in done.stderr and "rollout=hf" in done.stderr
        assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1
