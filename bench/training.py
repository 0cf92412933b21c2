"""GRPO at the shapes of real models with random weights, by the ordinary command: what a step takes, how many tokens a second
are generated and trained in it, and the most memory held.

    UFO_RL_DATA=FOLDER python bench/training.py --shapes qwen2.5-0.5b qwen2.5-1.5b --deepspeed zero2

Random weights seldom end an answer: completions are nearly all as long as --tokens. The first step is left out. Writes
training.json: an entry for each shape, DeepSpeed stage and machine; the latest stays.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import shapes
import torch

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.data import load_pool
from ufo_rl.files.environment import hardware, versions
from ufo_rl.files.journal import parse

HERE = Path(__file__).parent
DATA = ("dataset=gsm8k", "eval=gsm8k", "eval.gsm8k.limit=16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["qwen2.5-0.5b"], choices=list(shapes.SHAPES))
    parser.add_argument("--deepspeed", nargs="+", default=["zero2"], help="options of deepspeed=")
    parser.add_argument(
        "--completions", type=int, default=56, help="of one backward pass: 8 prompts of 7, as the paper's groups"
    )
    parser.add_argument("--tokens", type=int, default=256, help="longest completion")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    (job,) = compose_jobs(DATA)
    config = load(job.plain)
    questions = [prompt.question for prompt in load_pool(config.dataset, "dataset", config, config.grader).prompts]
    for shape in options.shapes:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / shape
            device = "cuda" if torch.cuda.is_available() else "cpu"
            model, tokenizer = shapes.load(shape, questions, "bfloat16" if device == "cuda" else "float32", device)
            model.save_pretrained(made)
            tokenizer.save_pretrained(made)
            del model
            for deepspeed in options.deepspeed:
                result = bench(shape, made, deepspeed, options)
                record(result)
                sys.stdout.write(json.dumps(result, indent=1) + "\n")


def bench(shape: str, model: Path, deepspeed: str, options: argparse.Namespace) -> dict[str, Any]:
    words = [
        f"model.path={model}",
        *DATA,
        "selector=random",
        f"model.max_completion_tokens={options.tokens}",
        f"train.max_completion_tokens={options.tokens}",
        f"train.per_device_train_batch_size={options.completions}",
        "train.gradient_accumulation_steps=1",
        f"train.max_steps={options.steps}",
        "train.save_steps=null",
        f"deepspeed={deepspeed}",
        "tracker=off",
        f"name={deepspeed}",
    ]
    subprocess.run([sys.executable, "-m", "ufo_rl.cli", *words], cwd=model.parent, check=True, stdout=sys.stderr)
    (run,) = model.parent.glob(f"outputs/runs/{deepspeed}/*")
    lines = [line for line in parse((run / "metrics.jsonl").read_bytes()) if line["stage"] == "train"]
    steps = [line for line in lines if line["event"] == "metrics" and "step_time" in line][1:]
    done = json.loads((run / "train/manifest.json").read_text())
    seconds = [line["step_time"] for line in steps]
    generated = options.completions * statistics.mean(line["completions/mean_length"] for line in steps)
    return {
        "shape": shape,
        "deepspeed": deepspeed,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else hardware()["cpu"],
        "versions": {
            k: v for k, v in versions().items() if k in ("python", "torch", "transformers", "trl", "deepspeed")
        },
        "completions": options.completions,
        "longest_completion": options.tokens,
        "seconds_a_step": seconds,
        "generated_tokens_a_step": generated,
        "generated_tokens_per_s": generated / statistics.median(seconds),
        "peak_memory_gib": done["peak_memory_gib"],
    }


def record(result: dict[str, Any]) -> None:
    path = HERE / "training.json"
    results = json.loads(path.read_text()) if path.is_file() else []
    names = ("shape", "deepspeed", "device")
    results = [one for one in results if any(one[name] != result[name] for name in names)] + [result]
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
