"""GRPO by the ordinary command against a script that calls TRL alone, in turn, with the same prompts, settings and reward code:
generated tokens a second of the trainer's whole training.

    python bench/bare_trl.py lab                    # the lab, 60 steps of 64 completions
    python bench/bare_trl.py real                   # SmolLM2 (make real-model), short completions

One rank of one thread without DeepSpeed, no checkpoints on either side; ours keeps its tables of completions and journal, TRL's
script logs every step. Writes bare_trl.json: tokens a second of both by repetition, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from ufo_rl.files.environment import hardware, versions

HERE = Path(__file__).resolve().parent
REAL_MODEL = HERE.parent / "models/SmolLM2-135M-Instruct"
SAME = ("selector=full", "deepspeed=off", "tracker=off", "launch.threads_per_rank=1", "train.save_steps=null")
CASES = {
    "lab": (
        "model=tiny-rules",
        "dataset.num_prompts=200",
        "eval=rules_zone",
        "eval.rules_zone.limit=8",
        "train.max_steps=60",
    ),
    "real": (
        "experiment=real-small",
        "model=smollm2-135m",
        f"model.path={REAL_MODEL}",
        "dataset.num_prompts=40",
        "template=short",
        "eval.words.limit=2",
        "train.max_steps=4",
        "train.max_completion_tokens=16",
        "train.per_device_train_batch_size=16",
        "train.gradient_accumulation_steps=1",
    ),
}


def main() -> None:
    """Repetitions in turn, ours first in the even ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--alone", type=int, metavar="SEED", help="what the script that calls TRL alone does, once")
    options = parser.parse_args()
    words = [*CASES[options.case], *SAME]
    if options.alone is not None:
        sys.stdout.write(json.dumps(bare([*words, f"seed={options.alone}"])) + "\n")
        return
    found: dict[str, list[float]] = {"ours": [], "bare": []}
    for i in range(options.repetitions):
        for side in ("ours", "bare") if i % 2 == 0 else ("bare", "ours"):
            found[side].append(ours([*words, f"seed={i}"]) if side == "ours" else apart(options.case, i))
            sys.stderr.write(f"{side}: {found[side][-1]:.0f} tokens a second\n")
    ratios = [one / other for one, other in zip(found["ours"], found["bare"], strict=True)]
    result = {
        "machine": f"{hardware()['cpu']}, {hardware()['cpus']} cores",
        "versions": {k: v for k, v in versions().items() if k in ("python", "torch", "transformers", "trl")},
        "command": " ".join(words),
        "tokens_per_s": found,
        "ratios": ratios,
        "median_ratio": median(ratios),
    }
    path = HERE / "bare_trl.json"
    record = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**record, options.case: result}, indent=1) + "\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def ours(words: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ufo_rl.cli", *words]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        (manifest,) = Path(folder).glob("outputs/runs/*/*/train/manifest.json")
        done: dict[str, Any] = json.loads(manifest.read_text())
    return done["generated_tokens"] / done["seconds"]


def apart(case: str, seed: int) -> float:
    """The script in a process of its own, with the threads of a rank."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, str(Path(__file__)), case, "--alone", str(seed)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def bare(words: list[str]) -> float:
    """What one writes who knows TRL: its trainer, its settings, the reward's parts as functions."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.grpo_trainer import GRPOTrainer

    from ufo_rl.config.build import build
    from ufo_rl.config.compose import compose_jobs
    from ufo_rl.config.load import load
    from ufo_rl.experiment.data import load_pool
    from ufo_rl.model.template import messages
    from ufo_rl.model.weights import packaged
    from ufo_rl.reward.parts import build_parts
    from ufo_rl.training.construct import grpo_arguments

    (job,) = compose_jobs(words)
    config = load(job.plain)
    prompts = load_pool(config.dataset, "dataset", config, config.grader).prompts
    rows = [
        {"id": one.id, "prompt": messages(config.template, one.question, True), "answer": one.answer} for one in prompts
    ]
    grader = build(config.grader, "grader", config.plugins)
    parts = build_parts(config.reward.parts, grader=grader)
    folder = packaged(config.model.path) if str(config.model.path).startswith("package:") else config.model.path
    tokens = 0

    def counted(completion_ids: list[list[int]], **given: Any) -> list[float]:
        nonlocal tokens
        tokens += sum(map(len, completion_ids))
        return parts[0].call({"completion_ids": completion_ids, **given})

    def second(**given: Any) -> list[float]:
        return parts[1].call(given)

    with tempfile.TemporaryDirectory() as work:
        arguments = grpo_arguments(config.train, None, config.seed, Path(work), True, [one.weight for one in parts])
        trainer: Any = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
            args=arguments,
            processing_class=AutoTokenizer.from_pretrained(folder),
            train_dataset=Dataset.from_list(rows),
            reward_funcs=[counted, second][: len(parts)],
        )
        began = time.perf_counter()
        trainer.train()
        return tokens / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
