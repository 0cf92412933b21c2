"""What larger models need, on a small real one: adapters on two ranks, and loading without a copy for each rank."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.real.test_smollm2 import ran
from ufo_rl.files.journal import parse


def test_adapters_train_on_two_ranks(real_model: Path, tmp_path: Path) -> None:
    """ZeRO 2; the merged policy says what the live one does, to 1e-5 of the largest log-probability."""
    words = ["experiment=real-small", "model=smollm2-135m", f"model.path={real_model}", "deepspeed=zero2"]
    words += ["dataset.num_prompts=20", "ratio.value=0.2", "launch.num_ranks=2", "train.max_steps=2"]
    words += ["train.per_device_train_batch_size=8", "train.lora.rank=8", "selector=random"]
    ran(tmp_path, *words, "eval.words.limit=4")
    (run,) = tmp_path.glob("outputs/runs/real/*")
    lines = list(parse((run / "metrics.jsonl").read_bytes()))
    steps = [line for line in lines if line["event"] == "metrics" and "grad_norm" in line]
    assert len(steps) == 2 and steps[0]["learning_rate"] == 2e-4  # ten times the recipe's
    (differs,) = [line["largest_difference"] for line in lines if line["event"] == "read_back"]
    assert differs <= 1e-5 * 60  # log-probabilities of rare tokens are some -40 to -60
    base, policy = (load_file(folder / "model.safetensors") for folder in (real_model, run / "train/policy"))
    assert any(line["grad_norm"] > 0 for line in steps)
    moved = {name.split(".")[-2] for name in policy if not torch.equal(policy[name], base[name])}
    kinds = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert moved == kinds
    adapter = load_file(run / "train/adapter/adapter_model.safetensors")
    assert sum(one.numel() for one in adapter.values()) < 0.02 * sum(one.numel() for one in policy.values())


def test_loading_under_zero3_holds_a_share(real_model: Path, tmp_path: Path) -> None:
    """Of each of two ranks, above what it held before: at most 1.3 times the model and a rank's share."""
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = Path(__file__).with_name("loading_rank.py")
    done = subprocess.run(
        [sys.executable, *start, str(script), str(real_model), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    for rank in ranks:
        assert rank["model"] == 4 * 134_515_008
        assert rank["peak"] <= 1.3 * rank["model"] + rank["model"] / 2, ranks
