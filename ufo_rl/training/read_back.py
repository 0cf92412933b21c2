"""The saved policy read back and held against the one that was trained: every tensor, and what the model says with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config
from trl.models.utils import unwrap_model_for_generation

from ufo_rl.errors import UserError
from ufo_rl.model.folder import weight_files
from ufo_rl.model.whole import load_whole
from ufo_rl.training.accounted import text_of_chat
from ufo_rl.training.lora import is_adapted, merged_tensors

NUM_ROWS, NUM_TOKENS, MAX_NAMES = 4, 64, 3
# Of the largest log-probability (at least SHARP), of which rounding is a share: on a CPU in float32, and where half precision
# or a GPU computes one of the two. Weights that are none of these differ in their tensors already.
TOLERANCE, ROUGH, SHARP = 1e-4, 2e-2, 10.0


class ReadBack:
    """The live policy's tensors, as checksums, and what it says of some tokens; whether a folder holds and says the same.

    Made by all ranks together: under ZeRO 3 none has all weights, and with train.trl.ds3_gather_for_generation=false none ever
    does: then the words alone are compared. rows: with the `prompt` of each.
    """

    def __init__(self, trainer: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        tokenizer: Any = trainer.processing_class
        arguments, accelerator = trainer.args, trainer.accelerator
        self.deepspeed = getattr(arguments, "hf_deepspeed_config", None)
        texts = [text_of_chat(row["prompt"]) for row in rows[:NUM_ROWS]]
        self.ids = [tokenizer(text, add_special_tokens=False)["input_ids"][:NUM_TOKENS] for text in texts]
        gathers = getattr(arguments, "ds3_gather_for_generation", True)
        with unwrap_model_for_generation(
            trainer.model_wrapped, accelerator, gather_deepspeed3_params=gathers
        ) as unwrapped:
            model: Any = unwrapped
            self.dtype = next(model.parameters()).dtype
            is_exact = self.dtype == torch.float32 and not (arguments.bf16 or arguments.fp16)
            self.is_exact = is_exact and model.device.type == "cpu"
            was_training = model.training
            self.live = self._log_probabilities(model.eval())
            model.train(was_training)
            self.tensors = (
                {name: (one.dtype, _checksum(one)) for name, one in _tensors(model) if one.numel()}
                if accelerator.is_main_process
                else {}
            )

    def check(self, policy: Path) -> float:
        """The largest difference of a log-probability. UserError where a tensor differs, or words do by more than rounding."""
        if differing := self._differing(policy):
            more = f" and {len(differing) - MAX_NAMES} more" if len(differing) > MAX_NAMES else ""
            raise _another(f"{', '.join(differing[:MAX_NAMES])}{more} differ")
        with _whole(self.deepspeed):
            model = load_whole(policy, f"the policy in {policy}", dtype=self.dtype).eval()
        found = self._log_probabilities(model)
        difference = max(float((one - other).abs().max()) for one, other in zip(self.live, found, strict=True))
        largest = max(SHARP, *(float(one.abs().max()) for one in self.live))
        if not difference <= (TOLERANCE if self.is_exact else ROUGH) * largest:  # nan is none either
            raise _another(f"log-probabilities of {len(self.ids)} prompts differ by up to {difference:.3g}")
        return difference

    def _differing(self, policy: Path) -> list[str]:
        """Names that both have, in the same precision: of tied weights a file has one."""
        found = []
        for path in weight_files(policy):
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    one, live = file.get_tensor(name), self.tensors.get(name)
                    if live is not None and live[0] == one.dtype and live[1] != _checksum(one):
                        found.append(name)
        return found

    @torch.no_grad()
    def _log_probabilities(self, model: Any) -> list[torch.Tensor]:
        """(tokens, vocabulary) of each row, in float32 on the CPU."""
        rows = [torch.tensor([ids], device=model.device) for ids in self.ids]
        return [model(input_ids=row).logits[0].float().log_softmax(-1).cpu() for row in rows]


def _tensors(model: Any) -> Iterable[tuple[str, torch.Tensor]]:
    return merged_tensors(model) if is_adapted(model) else model.state_dict().items()


def _checksum(tensor: torch.Tensor) -> str:
    data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.blake2b(data.numpy().data, digest_size=16).hexdigest()


def _another(words: str) -> UserError:
    return UserError(
        f"the policy as it was saved is not the one that was trained: {words}; the checkpoint of the last step is kept: look "
        "at the disk, and run the same command again"
    )


@contextmanager
def _whole(in_force: Any) -> Iterator[None]:
    """Models that are loaded within are no part of the training that DeepSpeed shards. in_force: its configuration."""
    unset_hf_deepspeed_config()
    try:
        yield
    finally:
        if in_force is not None:
            set_hf_deepspeed_config(in_force)
