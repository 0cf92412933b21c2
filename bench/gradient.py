"""Forward and backward pass of one training step's completions, in each way that log-probabilities are computed: the whole
batch, as TRL does, rows by length, each prompt once, and, of a narrow model on a CPU, tokens side by side.

    python bench/gradient.py --shapes tiny
    python bench/gradient.py --shapes tiny qwen2.5-0.5b --dtypes float32 bfloat16 --factor 4

Completions have the lengths of a step of the lab's training, times --factor, and random tokens. Every way's log-probabilities
and gradient are held against the whole batch's. bfloat16 is autocast over weights in float32, as TRL trains. Writes
gradient.json: an entry for each shape, precision, factor and machine; the latest stays.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import shapes
import torch
from transformers import TrainerCallback

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.files.environment import hardware, versions
from ufo_rl.grader.math import MathGrader
from ufo_rl.model.few_threads import few_threads
from ufo_rl.model.narrow_layers import has_calls_to_spare
from ufo_rl.model.template import messages
from ufo_rl.model.weights import load_tokenizer
from ufo_rl.reward.correctness import Correctness
from ufo_rl.reward.parts import Part
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.positions import SIDE_BY_SIDE, WAYS, WHOLE, Batch
from ufo_rl.training.trl_trainer import Trainer

HERE = Path(__file__).parent
LENGTHS = (47, 41, 35, 35, 35, 32, *[27] * 5, 26, 26, 23, 23, *[17] * 5, *[15] * 6, 12, 12, 12, *[6] * 27, *[5] * 8)
REPEATS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["tiny"], choices=["tiny", *shapes.SHAPES])
    parser.add_argument("--dtypes", nargs="+", default=["float32"], choices=["float32", "bfloat16"])
    parser.add_argument("--factor", type=int, default=1, help="by which completions are longer than the lab's")
    parser.add_argument(
        "--prompt", type=int, default=13, help="tokens of the shortest prompt; of eight, each one longer"
    )
    parser.add_argument("--every", type=int, default=1, help="take every so many of the 64 completions")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    for shape in options.shapes:
        for dtype in options.dtypes:
            with tempfile.TemporaryDirectory() as folder:
                entry = bench(shape, dtype, options, Path(folder))
            record(entry)
            sys.stdout.write(json.dumps(entry, indent=1) + "\n")


def bench(shape: str, dtype: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    trainer = trainer_of(shape, dtype, folder)
    model: Any = trainer.model.train()
    device = next(model.parameters()).device
    batch = Batch(*(one.to(device) for one in rows(options)), max(LENGTHS) * options.factor)
    may_take = {way: way != SIDE_BY_SIDE or (dtype == "float32" and has_calls_to_spare(model)) for way in WAYS}
    ways: dict[str, Any] = {}
    with few_threads(model):
        ways[WHOLE], whole = measured(trainer, WHOLE, batch)
        for way in (way for way in WAYS if may_take[way]):
            ways[way], found = measured(trainer, way, batch)
            ways[way] |= {
                "largest_logprob_difference": float((found[0] - whole[0]).abs().max()),
                "gradient_difference": float((found[1] - whole[1]).norm() / whole[1].norm()),
            }
    return {
        "shape": shape,
        "dtype": dtype,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else hardware()["cpu"],
        "threads": 1 if may_take[SIDE_BY_SIDE] else torch.get_num_threads(),
        "versions": {name: version for name, version in versions().items() if name in ("torch", "transformers", "trl")},
        "rows": len(batch.ids),
        "longest_completion": batch.logits_to_keep,
        "mean_completion": float(batch.kept.sum() / len(batch.ids)),
        "longest_prompt": batch.prompt_width,
        "ways": ways,
    }


def rows(options: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask as TRL makes them: groups of eight share a prompt, padded on its left; lengths in random order."""
    generator = torch.Generator().manual_seed(0)
    lengths = [LENGTHS[i] * options.factor for i in torch.randperm(len(LENGTHS), generator=generator)][:: options.every]
    width, longest = options.prompt + 7, max(LENGTHS) * options.factor
    prompts = torch.randint(5, 200, (8, width), generator=generator)
    ids = torch.randint(5, 200, (len(lengths), width + longest), generator=generator)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :width] = prompts[row // 8]
        mask[row, width - options.prompt - row // 8 : width + length] = 1
    return ids * mask, mask


def measured(trainer: Any, way: str, batch: Batch) -> tuple[dict[str, Any], tuple[torch.Tensor, torch.Tensor]]:
    """Median seconds of both passes and peak memory of a GPU; log-probabilities and gradient."""
    taken, gpu = [], batch.ids.is_cuda
    for _ in range(1 + REPEATS):
        trainer.model.zero_grad()
        if gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        if way == WHOLE:
            logprobs = super(Trainer, trainer)._get_per_token_logps_and_entropies(trainer.model, *batch)[0]
        else:
            with trainer.accelerator.autocast():
                logprobs = trainer._computed(way, trainer.model, batch, False)[0]
        (logprobs * batch.kept).mean().backward()
        if gpu:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    gradient = torch.cat([one.grad.float().flatten() for one in trainer.model.parameters()])
    figures: dict[str, Any] = {"seconds": statistics.median(taken[1:])}
    if gpu:
        figures["peak_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return figures, ((logprobs * batch.kept).detach().float(), gradient)


def trainer_of(shape: str, dtype: str, folder: Path) -> Any:
    model, tokenizer = shapes.load(shape, [str(n) for n in range(1000)], "float32", "cpu")
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    (job,) = compose_jobs(
        ["model=tiny", "train=lab", "train.max_steps=1", f"train.bf16={str(dtype == 'bfloat16').lower()}"]
    )
    config = load(job.plain)
    arguments = grpo_arguments(config.train, None, 0, folder, not torch.cuda.is_available(), [1.0])
    prompts = [{"id": "0", "prompt": messages(config.template, "1+1=?", True), "answer": "2"}] * 8
    reward = Part("correctness", 1.0, Correctness(1.0, MathGrader(5.0, 100)))
    tokenizer = load_tokenizer(folder / "model")
    return make_trainer(arguments, prompts, folder / "model", tokenizer, [reward], TrainerCallback())


def record(entry: dict[str, Any]) -> None:
    path = HERE / "gradient.json"
    entries = json.loads(path.read_text()) if path.is_file() else []
    names = ("shape", "dtype", "device", "rows", "longest_completion")
    entries = [one for one in entries if any(one[name] != entry[name] for name in names)] + [entry]
    path.write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()
