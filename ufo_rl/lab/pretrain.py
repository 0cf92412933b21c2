"""Pre-trains the tiny model: `python -m ufo_rl.lab.pretrain --out DIR`.

The corpus is an endless stream of arithmetic problems from the `pretrain` split, answered in three styles: directly, with
short thinking (two operations per step, less reliable) and with long thinking (one per step, more reliable). The model prefers
the quick styles, so reinforcement learning has something real to elicit. Training stops before the steps are free of errors.

Rows of similar length share a batch and the loss is a mean over the tokens of a batch, so short rows weigh more than their
share: the shipped model starts about half of its answers directly, not 30 %.

A run that was stopped continues from its last checkpoint when the same command is given again. One thread is enough.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from ufo_rl.dataset.arithmetic import Problem, stream
from ufo_rl.lab import tokenizer as lab_tokenizer

# Axes: B rows, T tokens.
log = logging.getLogger(__name__)

STYLES = ("direct", "short", "long")


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the weights; the defaults are the recipe of the shipped ones.

    A chunk of `chunk_steps` batches is drawn at once and sorted by length; a checkpoint falls on its end.
    """

    seed: int = 0
    steps: int = 3500
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay_share: float = 0.2
    chunk_steps: int = 100
    question_weight: float = 0.1
    style_weights: tuple[float, ...] = (0.30, 0.45, 0.25)
    level_weights: tuple[float, ...] = (2.0, 1.6, 1.2, 1.0, 0.8, 0.6)


def completion(problem: Problem, style: str) -> str:
    """The assistant's turn in one of the STYLES."""
    answer = f"<answer> {problem.answer}</answer>"
    if style == "direct":
        return answer
    return f"<think>{problem.worked(operations_per_step=2 if style == 'short' else 1)}</think>{answer}"


def new_model(tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    """The untrained model; its weights follow torch's global seed."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=lab_tokenizer.CONTEXT_LENGTH,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=lab_tokenizer.END_ID,
        pad_token_id=lab_tokenizer.PAD_ID,
        dtype="float32",
    )
    return Qwen2ForCausalLM(config)


def batches(
    recipe: Recipe, chunk: int, tokenizer: PreTrainedTokenizerFast
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches (ids_BT, loss weights_BT) of one chunk: rows of similar length together, batches in random order.

    Depends on the recipe and the chunk's number only, which is what makes a resumed run equal to an uninterrupted one.
    """
    random = Random(f"{recipe.seed}/pretrain/{chunk}")
    levels = {level: stream(level, "pretrain", random) for level in range(1, len(recipe.level_weights) + 1)}
    texts = []
    for level in random.choices(list(levels), recipe.level_weights, k=recipe.chunk_steps * recipe.batch_size):
        problem = next(levels[level])
        style = random.choices(STYLES, recipe.style_weights)[0]
        texts.append((f"<|user|>{problem.question}<|assistant|>", f"{completion(problem, style)}<|end|>"))
    prompts = tokenizer([prompt for prompt, _ in texts], add_special_tokens=False).input_ids
    answers = tokenizer([answer for _, answer in texts], add_special_tokens=False).input_ids
    rows = sorted(zip(prompts, answers, strict=True), key=lambda row: len(row[0]) + len(row[1]))
    starts = list(range(0, len(rows), recipe.batch_size))
    random.shuffle(starts)
    for start in starts:
        batch = rows[start : start + recipe.batch_size]
        width = max(len(prompt) + len(answer) for prompt, answer in batch)
        ids_BT = torch.full((len(batch), width), lab_tokenizer.PAD_ID)
        weights_BT = torch.zeros(len(batch), width)
        for place, (prompt, answer) in enumerate(batch):
            end = len(prompt) + len(answer)
            ids_BT[place, :end] = torch.tensor(prompt + answer)
            weights_BT[place, : len(prompt)] = recipe.question_weight
            weights_BT[place, len(prompt) : end] = 1.0
        yield ids_BT, weights_BT


def loss_of(model: Qwen2ForCausalLM, ids_BT: torch.Tensor, weights_BT: torch.Tensor) -> torch.Tensor:
    """Weighted mean of the next-token cross entropy in nats; right padding needs no attention mask."""
    logits = model(input_ids=ids_BT, use_cache=False).logits[:, :-1]
    losses_BT = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids_BT[:, 1:], reduction="none")
    return (losses_BT * weights_BT[:, 1:]).sum() / weights_BT[:, 1:].sum()


def learning_rate_at(recipe: Recipe, step: int) -> float:
    """Linear warm-up, constant, linear decay to zero; up to the decay a run does not depend on its number of steps."""
    decay_steps = round(recipe.decay_share * recipe.steps)
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps, (recipe.steps - step) / decay_steps)


def publish(folder: Path, model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, journal: list[dict]) -> None:
    """Writes the model folder beside its place and renames it, so a half-written one does not exist."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    write_journal(partial / "pretrain.jsonl", journal)
    for path in partial.iterdir():
        # safetensors writes 0600, which a wheel would carry to machines where the installer is not the reader.
        path.chmod(0o644)
    if folder.exists():
        raise FileExistsError(f"{folder} appeared while training; the result is in {partial}")
    os.replace(partial, folder)


def write_journal(path: Path, journal: list[dict]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in journal))


def save_checkpoint(
    folder: Path, step: int, model: Qwen2ForCausalLM, optimizer: torch.optim.AdamW, journal: list[dict]
) -> None:
    """Replaces the checkpoint: tensors as safetensors, the rest as JSON; the newest complete folder counts."""
    partial, done = folder / "partial", folder / f"step-{step:06d}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    # The tied output matrix shares the memory of the embedding: safetensors stores it once, by its name among the parameters.
    save_file({name: tensor.data for name, tensor in model.named_parameters()}, partial / "model.safetensors")
    moments = {
        f"{name}.{key}": optimizer.state[tensor][key]
        for name, tensor in model.named_parameters()
        for key in ("step", "exp_avg", "exp_avg_sq")
    }
    save_file(moments, partial / "optimizer.safetensors")
    write_journal(partial / "journal.jsonl", journal)
    os.replace(partial, done)
    for old in folder.glob("step-*"):
        if old != done:
            shutil.rmtree(old)


def load_checkpoint(folder: Path, model: Qwen2ForCausalLM, optimizer: torch.optim.AdamW) -> tuple[int, list[dict]]:
    """The step and journal of the newest checkpoint after loading its tensors; (0, []) where there is none."""
    found = sorted(folder.glob("step-*"))
    if not found:
        return 0, []
    weights, moments = load_file(found[-1] / "model.safetensors"), load_file(found[-1] / "optimizer.safetensors")
    for name, tensor in model.named_parameters():
        tensor.data.copy_(weights[name])
        optimizer.state[tensor] = {key: moments[f"{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
    journal = [json.loads(line) for line in (found[-1] / "journal.jsonl").read_text().splitlines()]
    return int(found[-1].name.removeprefix("step-")), journal


def continued(before: dict, recipe: Recipe, step: int) -> dict:
    """The recipe to go on with; raises where a run of it from step 0 would have given another checkpoint."""
    now = json.loads(json.dumps(dataclasses.asdict(recipe)))
    constant_until = (1 - recipe.decay_share) * min(before["steps"], recipe.steps)
    if before != now and (before | {"steps": recipe.steps} != now or step > constant_until):
        raise ValueError(
            f"the checkpoint of step {step} belongs to another recipe, {before}: delete it or choose another --out"
        )
    return now


def train(recipe: Recipe, out: Path) -> None:
    """Trains or continues, then publishes the model folder `out`; checkpoints live in `out` + `.checkpoints`."""
    checkpoints = out.with_name(out.name + ".checkpoints")
    tokenizer = lab_tokenizer.build()
    torch.manual_seed(recipe.seed)
    model = new_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    step, journal = load_checkpoint(checkpoints, model, optimizer)
    if not journal:
        journal = [
            {"recipe": dataclasses.asdict(recipe), "torch": torch.__version__, "parameters": model.num_parameters()}
        ]
    else:
        journal[0]["recipe"] = continued(journal[0]["recipe"], recipe, step)
    while step < recipe.steps:
        started, losses, num_tokens = time.monotonic(), [], 0
        for ids_BT, weights_BT in batches(recipe, step // recipe.chunk_steps, tokenizer):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(recipe, step)
            loss = loss_of(model, ids_BT, weights_BT)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            num_tokens += ids_BT.numel()
            step += 1
        entry = {
            "step": step,
            "loss": round(sum(losses) / len(losses), 5),
            "tokens": num_tokens,
            "seconds": round(time.monotonic() - started, 2),
        }
        log.info("%s", entry)
        journal.append(entry)
        save_checkpoint(checkpoints, step, model, optimizer, journal)
    publish(out, model, tokenizer, journal)


def main() -> None:
    """Command line: every field of Recipe is an option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="model folder to create; must not exist")
    for field in dataclasses.fields(Recipe):
        if isinstance(field.default, tuple):
            parser.add_argument(f"--{field.name}", type=float, nargs="+", default=field.default)
        else:
            parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    options: dict[str, Any] = vars(parser.parse_args())
    out: Path = options.pop("out")
    if out.exists():
        parser.error(f"--out: {out} exists; choose another folder or remove it")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    recipe: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    train(Recipe(**recipe), out)


if __name__ == "__main__":
    main()
