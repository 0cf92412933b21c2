"""TRL's trainer, computing log-probabilities at fewer positions on a CPU: it reads the prompt of a group once, not with every
completion, and rows of like length together, or a narrow model's tokens side by side. TRL reads all and pads to the longest
completion, several times the mean."""

from __future__ import annotations

import logging
from typing import Any, cast

import torch
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from ufo_rl.model.memory import is_out_of_memory
from ufo_rl.model.narrow_layers import has_calls_to_spare
from ufo_rl.training.checkpoint import Checkpointed
from ufo_rl.training.dead_groups import ExactRewards
from ufo_rl.training.engine_check import EngineChecked
from ufo_rl.training.positions import (
    MIN_ROWS,
    PROMPTS_ONCE,
    SIDE_BY_SIDE,
    WAYS,
    WHOLE,
    Batch,
    compute_in_parts,
    turns_by_width,
)
from ufo_rl.training.side_by_side import compute_side_by_side

log = logging.getLogger(__name__)
# Of the largest log-probability, of which rounding is a share, and where half precision computes it; of a gradient's norm.
TOLERANCE, OF_HALF, OF_GRADIENT = 1e-5, 1e-2, 1e-3
SHARP = 10.0  # what the largest log-probability is taken for at least


class Trainer(Checkpointed, ExactRewards, EngineChecked):
    """TRL's GRPOTrainer whose log-probabilities are computed in the first of WAYS that is right. Loss and gradient are those of
    the whole batch, up to rounding.

    The whole batch where less would cost more or differ: under ZeRO 3, which gathers all weights for each part; with
    reentrant checkpoints, of which ZeRO 2 wants one; with a KL term, or in half precision where TRL holds a batch against
    its old log-probabilities: both are of whole rows, and rounding alone would be a distance to them; on a GPU, where in
    half precision parts take more time or hardly less (bench/README.md); where positions depend on a batch's
    width; under DeepSpeed's timers, which count one forward pass to a backward pass; and where the model's own numbers say
    so, asked with the first batch that has a completion.
    """

    _way: str | None = None  # unknown before the first batch

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **images: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        num_rows = len(input_ids)
        compute = super()._get_per_token_logps_and_entropies
        is_split = batch_size is not None and batch_size < num_rows
        is_text = all(value is None for value in images.values())
        if num_rows < 2 * MIN_ROWS or is_split or compute_aux_loss or not is_text or not self._may_have_parts(model):
            return compute(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **images,
            )
        batch = Batch(input_ids, attention_mask, logits_to_keep)
        if self._way is None:
            self._way = self._first_right(model, batch)
        # as many forward passes of the wrapped model as side by side: another rank need not know
        has_changed = self._way == SIDE_BY_SIDE and not has_calls_to_spare(self._own(model))
        if self._way in (None, WHOLE) or has_changed or batch.prompt_width < 2:
            return compute(model, *batch, None, compute_entropy, False)
        with self.accelerator.autocast():
            return *self._computed(self._way, model, batch, compute_entropy), None

    def _computed(
        self, way: str, model: Any, batch: Batch, compute_entropy: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if way == SIDE_BY_SIDE:
            return compute_side_by_side(model, self._own(model), batch, self.temperature, compute_entropy)
        return compute_in_parts(way, model, batch, compute_entropy)

    def _may_have_parts(self, model: Any) -> bool:
        settings: Any = self.args
        checkpointing = settings.gradient_checkpointing_kwargs or {}
        num_before_new = settings.steps_per_generation * self.num_iterations
        has_old = self.use_vllm or settings.gradient_accumulation_steps % num_before_new != 0
        return not (
            self._way == WHOLE
            or self.beta
            or checkpointing.get("use_reentrant")
            or is_deepspeed_zero3_enabled()
            or (self._is_half and has_old)
            or self.accelerator.device.type != "cpu"
            or turns_by_width(self._own(model).config)
            or (hasattr(model, "wall_clock_breakdown") and model.wall_clock_breakdown())
        )

    def _may_take(self, way: str, model: Any) -> bool:
        if way == SIDE_BY_SIDE:
            return not self._is_half and has_calls_to_spare(self._own(model))
        # of a layer under checkpoints transformers takes the cache away
        return way != PROMPTS_ONCE or not self.args.gradient_checkpointing

    def _own(self, model: Any) -> Any:
        return self.accelerator.unwrap_model(model)

    @property
    def _is_half(self) -> bool:
        return bool(self.args.bf16 or self.args.fp16)

    @torch.no_grad()
    def _first_right(self, model: Any, batch: Batch) -> str | None:
        """The first way whose log-probabilities are the whole batch's, on every rank: with another number of forward
        passes, one would wait for the others for ever. None where no rank has a completion to compare."""
        tokenizer: Any = self.processing_class
        # a column of padding, which this batch may not have and a later one will
        ids = torch.nn.functional.pad(batch.ids, (1, 0), value=tokenizer.pad_token_id)
        mask = torch.nn.functional.pad(batch.mask, (1, 0))
        batch = Batch(ids, mask, batch.logits_to_keep)
        if not int(cast(Any, self.accelerator.reduce(batch.kept.sum(), "sum"))):
            return None
        with torch.random.fork_rng(devices=[]):
            whole_BT = super()._get_per_token_logps_and_entropies(model, *batch)[0]
            for way in WAYS:
                if not self._is_said_by_all(self._may_take(way, model)):
                    continue
                if self._is_said_by_all(self._is_right(way, model, batch, whole_BT)):
                    return way
                log.info("log-probabilities are not computed with %s: on some rank the model's own differ", way)
        return WHOLE

    def _is_said_by_all(self, says: bool) -> bool:
        number: Any = self.accelerator.reduce(torch.tensor(int(says)), "sum")
        return int(number) == self.accelerator.num_processes

    def _is_right(self, way: str, model: Any, batch: Batch, whole_BT: torch.Tensor) -> bool:
        try:
            with self.accelerator.autocast():
                found_BT = self._computed(way, model, batch, False)[0]
            whole_N, found_N = (one[batch.kept].float() for one in (whole_BT, found_BT))
            share = OF_HALF if self._is_half else TOLERANCE
            bound = share * max(SHARP, float(whole_N.abs().max())) if len(whole_N) else 0.0
            if not torch.allclose(whole_N, found_N, rtol=0, atol=bound):
                return False
            return way != SIDE_BY_SIDE or self._has_same_gradient(self._own(model), batch)
        except Exception as error:  # of whatever kind: such a model is read as TRL does
            if is_out_of_memory(error):
                raise
            log.info("log-probabilities, %s: %s: %s", way, type(error).__name__, error)
            return False

    @torch.enable_grad()
    def _has_same_gradient(self, own: Any, batch: Batch) -> bool:
        """By the model itself: what wraps it would wait for a backward pass."""
        whole_BT = super()._get_per_token_logps_and_entropies(own, *batch)[0]
        found_BT = compute_side_by_side(own, own, batch, self.temperature, False)[0]
        weights = [one for one in own.parameters() if one.requires_grad]
        whole, found = (
            torch.autograd.grad((one * batch.kept).sum(), weights, allow_unused=True, materialize_grads=True)
            for one in (whole_BT, found_BT)
        )
        norm = torch.stack([one.norm() for one in whole]).norm()
        difference = torch.stack([(one - other).norm() for one, other in zip(whole, found, strict=True)]).norm()
        return bool(difference <= OF_GRADIENT * norm)
