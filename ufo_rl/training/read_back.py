"""The saved policy read back and held against the one that was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config
from trl.models.utils import unwrap_model_for_generation

from ufo_rl.errors import UserError
from ufo_rl.model.whole import load_whole
from ufo_rl.training.accounted import text_of_chat

NUM_ROWS, NUM_TOKENS = 4, 64
# Of the largest log-probability (at least SHARP), of which rounding is a share; where half precision computes either.
TOLERANCE, OF_HALF, SHARP = 1e-4, 2e-2, 10.0


class ReadBack:
    """What the live policy says of some tokens, and whether a folder says the same.

    Made by all ranks together: under ZeRO 3 none has all weights. rows: with the `prompt` of each.
    """

    def __init__(self, trainer: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        tokenizer: Any = trainer.processing_class
        self.deepspeed = getattr(trainer.args, "hf_deepspeed_config", None)
        texts = [text_of_chat(row["prompt"]) for row in rows[:NUM_ROWS]]
        self.ids = [tokenizer(text, add_special_tokens=False)["input_ids"][:NUM_TOKENS] for text in texts]
        with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as unwrapped:
            model: Any = unwrapped
            self.dtype = next(model.parameters()).dtype
            self.is_half = bool(trainer.args.bf16 or trainer.args.fp16 or self.dtype != torch.float32)
            was_training = model.training
            self.live = self._log_probabilities(model.eval())
            model.train(was_training)

    def check(self, policy: Path) -> float:
        """The largest difference of a log-probability. UserError where it is more than rounding: the folder holds another
        policy than was trained."""
        with _whole(self.deepspeed):
            model = load_whole(policy, f"the policy in {policy}", dtype=self.dtype).eval()
        found = self._log_probabilities(model)
        difference = max(float((one - other).abs().max()) for one, other in zip(self.live, found, strict=True))
        largest = max(SHARP, *(float(one.abs().max()) for one in self.live))
        if not difference <= (OF_HALF if self.is_half else TOLERANCE) * largest:  # nan is none either
            raise UserError(
                f"the policy as it was saved is not the one that was trained: log-probabilities of {len(self.ids)} prompts "
                f"differ by up to {difference:.3g}; the checkpoint of the last step is kept: look at the disk, and run the "
                "same command again"
            )
        return difference

    @torch.no_grad()
    def _log_probabilities(self, model: Any) -> list[torch.Tensor]:
        """(tokens, vocabulary) of each row, in float32 on the CPU."""
        rows = [torch.tensor([ids], device=model.device) for ids in self.ids]
        return [model(input_ids=row).logits[0].float().log_softmax(-1).cpu() for row in rows]


@contextmanager
def _whole(in_force: Any) -> Iterator[None]:
    """Models that are loaded within are no part of the training that DeepSpeed shards. in_force: its configuration."""
    unset_hf_deepspeed_config()
    try:
        yield
    finally:
        if in_force is not None:
            set_hf_deepspeed_config(in_force)
