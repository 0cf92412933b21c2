"""What shapes the weights of a lab's model: the recipe that all labs share, and the rows of a corpus as batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast

from ufo_rl.lab import tokenizer as lab_tokenizer

# Axes: B rows, T tokens.


class Row(NamedTuple):
    """A question and its completion. is_start_taught: whether the completion's first token counts in the loss; where it does
    not, the model is never taught to begin so, only how to go on."""

    question: str
    completion: str
    is_start_taught: bool = True


@dataclass(frozen=True)
class Recipe(ABC):
    """Everything that shapes the weights; a lab's defaults are the recipe of its shipped ones.

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
    num_heads: int = 4

    @abstractmethod
    def rows(self, count: int, random: Random) -> list[Row]:
        """`count` rows of the lab's corpus."""


def learning_rate_at(recipe: Recipe, step: int) -> float:
    """Linear warm-up, constant, linear decay to zero; up to the decay a run does not depend on its number of steps."""
    decay_steps = round(recipe.decay_share * recipe.steps)
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps, (recipe.steps - step) / decay_steps)


def batches(
    recipe: Recipe, chunk: int, tokenizer: PreTrainedTokenizerFast
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches (ids_BT, loss weights_BT) of one chunk: rows of similar length together, batches in random order.

    Depends on the recipe and the chunk's number only, which is what makes a resumed run equal to an uninterrupted one.
    """
    random = Random(f"{recipe.seed}/pretrain/{chunk}")
    rows = recipe.rows(recipe.chunk_steps * recipe.batch_size, random)
    prompts = tokenizer([f"<|user|>{row.question}<|assistant|>" for row in rows], add_special_tokens=False).input_ids
    answers = tokenizer([f"{row.completion}<|end|>" for row in rows], add_special_tokens=False).input_ids
    taught = [row.is_start_taught for row in rows]
    encoded = sorted(zip(prompts, answers, taught, strict=True), key=lambda row: len(row[0]) + len(row[1]))
    starts = list(range(0, len(encoded), recipe.batch_size))
    random.shuffle(starts)
    for start in starts:
        batch = encoded[start : start + recipe.batch_size]
        width = max(len(prompt) + len(answer) for prompt, answer, _ in batch)
        ids_BT = torch.full((len(batch), width), lab_tokenizer.PAD_ID)
        weights_BT = torch.zeros(len(batch), width)
        for place, (prompt, answer, is_start_taught) in enumerate(batch):
            begin, end = len(prompt), len(prompt) + len(answer)
            ids_BT[place, :end] = torch.tensor(prompt + answer)
            weights_BT[place, :begin] = recipe.question_weight
            weights_BT[place, begin:end] = 1.0
            weights_BT[place, begin] = float(is_start_taught)
        yield ids_BT, weights_BT
