"""Pre-trains the model of a lab: `python -m ufo_rl.lab.pretrain rules --out DIR`, or `arithmetic`.

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
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from ufo_rl.lab import tokenizer as lab_tokenizer
from ufo_rl.lab.arithmetic_corpus import ArithmeticRecipe
from ufo_rl.lab.recipe import Recipe, batches, learning_rate_at
from ufo_rl.lab.rules_corpus import RulesRecipe

# Axes: B rows, T tokens.
log = logging.getLogger(__name__)

LABS = {"arithmetic": ArithmeticRecipe, "rules": RulesRecipe}


def new_model(tokenizer: PreTrainedTokenizerFast, num_heads: int) -> Qwen2ForCausalLM:
    """The untrained model; its weights follow torch's global seed."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads,
        max_position_embeddings=lab_tokenizer.CONTEXT_LENGTH,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=lab_tokenizer.END_ID,
        pad_token_id=lab_tokenizer.PAD_ID,
        dtype="float32",
    )
    return Qwen2ForCausalLM(config)


def loss_of(model: Qwen2ForCausalLM, ids_BT: torch.Tensor, weights_BT: torch.Tensor) -> torch.Tensor:
    """Weighted mean of the next-token cross entropy in nats; right padding needs no attention mask."""
    logits = model(input_ids=ids_BT, use_cache=False).logits[:, :-1]
    losses_BT = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids_BT[:, 1:], reduction="none")
    return (losses_BT * weights_BT[:, 1:]).sum() / weights_BT[:, 1:].sum()


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
    model = new_model(tokenizer, recipe.num_heads)
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
    """Command line: the lab, and every field of its recipe as an option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    labs = parser.add_subparsers(dest="lab", required=True)
    for name, kind in LABS.items():
        of_lab = labs.add_parser(name)
        of_lab.add_argument("--out", type=Path, required=True, help="model folder to create; must not exist")
        for field in dataclasses.fields(kind):
            if isinstance(field.default, tuple):
                of_lab.add_argument(f"--{field.name}", type=float, nargs="+", default=field.default)
            else:
                of_lab.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    options: dict[str, Any] = vars(parser.parse_args())
    lab, out = options.pop("lab"), options.pop("out")
    if out.exists():
        parser.error(f"--out: {out} exists; choose another folder or remove it")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    recipe: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    train(LABS[lab](**recipe), out)


if __name__ == "__main__":
    main()
