"""GRPO on the second lab with completions by vLLM, colocated on a CPU, against transformers' generate: reward over 30 steps,
and how far the two engines are apart in their numbers. Under the environment of `make vllm-env`:
VLLM_CPU_KVCACHE_SPACE=1 .venv-vllm/bin/python bench/rollouts.py

On a CPU the switch for tests keeps vLLM's weights plain: it says nothing of speed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.vllm.wide import widen
from ufo_rl.files.atomic import write_json
from ufo_rl.files.environment import hardware, versions
from ufo_rl.files.journal import parse
from ufo_rl.model.weights import packaged

STEPS, LAST = 30, 10
ARMS = {"hf": (range(5), ["rollout=hf"]), "vllm_colocate": (range(2), ["rollout=vllm_colocate", "rollout.sleep=false"])}
OURS = ["rollout.cpu_for_tests=true", "rollout.check_every=1"]
DRIFT = ("drift/probe_mean", "drift/ratio_mean", "drift/difference_max", "drift/kl")


def trained(model: Path, name: str, seed: int, words: list[str], here: Path) -> dict[str, Any]:
    """Reward of each step, the largest drift of all, alarms of a run."""
    command = [
        *(sys.executable, "-m", "ufo_rl.cli", f"model.path={model}", "dataset=rules", "train=rules", "template=short"),
        *("eval=[rules_zone]", "eval.rules_zone.limit=8", "selector=random", "deepspeed=off", "tracker=off"),
        *(f"train.max_steps={STEPS}", f"seed={seed}", f"name={name}{seed}", *words),
    ]
    subprocess.run(command, cwd=here, check=True, stdout=sys.stderr)
    (journal,) = here.glob(f"outputs/runs/{name}{seed}/*/metrics.jsonl")
    lines = [line for line in parse(journal.read_bytes()) if line["stage"] == "train"]
    steps = [line for line in lines if line["event"] == "metrics"]
    rewards = [line["reward"] for line in steps]
    drift = {one: max(line[one] for line in steps) for one in DRIFT if one in steps[0]}
    alarms = [line["name"] for line in lines if line["event"] == "alarm"]
    found = {"seed": seed, "mean": mean(rewards), f"last_{LAST}": mean(rewards[-LAST:]), "alarms": alarms}
    return {**found, **drift, "rewards": [round(one, 4) for one in rewards]}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        model = widen(packaged("package:lab/rules"), here / "wide")
        arms = {
            name: [trained(model, name, seed, words + (OURS if name != "hf" else []), here) for seed in seeds]
            for name, (seeds, words) in ARMS.items()
        }
    found = {"machine": hardware(), "versions": versions(), "steps": STEPS, "arms": arms}
    write_json(Path(__file__).with_suffix(".json"), found)
    sys.stdout.write(json.dumps({name: [run["mean"] for run in runs] for name, runs in arms.items()}) + "\n")


if __name__ == "__main__":
    main()
