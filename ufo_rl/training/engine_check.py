"""TRL's trainer, watching vLLM, which generates for it: has it the trained weights, does it compute what the trainer does?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from trl.models.utils import unwrap_model_for_generation

from ufo_rl.model.engine.vllm_trained import logprobs_by, logprobs_of
from ufo_rl.training.accounted import silent
from ufo_rl.training.alarms import CURES, DRIFT, NOT_SYNCED
from ufo_rl.training.lora import is_adapted, merged_tensors
from ufo_rl.training.rollouts import trained_in
from ufo_rl.training.timed import Timed

NUM_ROWS, NUM_TOKENS = 4, 64  # of the probe
RATIO, LARGEST, KL, PROBE = "drift/ratio_mean", "drift/difference_max", "drift/kl", "drift/probe_mean"
# Mean differences of log-probabilities that rounding explains, where one of the two computes in half precision and where none
# does; KL divergences that are usual for a training in half precision and in float32 (bench/README.md, rollouts).
MAX_PROBE = {True: 5e-2, False: 1e-4}
MAX_KL = {True: 1e-2, False: 1e-8}
NEUTRAL = {"top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0}  # all of the policy's distribution


class EngineChecked(Timed):
    """GRPOTrainer that looks, every `check_every` steps, at what vLLM says.

    A probe, the same tokens each time, is read by both after weights were handed over. Where the trainer's numbers have changed
    since the last probe and vLLM's have not in any digit, or both differ by more than rounding, vLLM has other weights
    (NOT_SYNCED). And the completions' log-probabilities, as vLLM sampled them and as the trainer computes them, give the mean
    ratio, the largest difference and the KL divergence of vLLM's distribution from the trainer's (DRIFT, where it is more than
    rounding). Both are metrics of the step.

    check_every: None where vLLM does not generate. engine_dtype: of vLLM's copy.
    """

    tell: Callable[..., Any] = staticmethod(silent)
    check_every: int | None = None
    engine_dtype = ""
    _probe_ids: Sequence[list[int]] = ()
    _said: torch.Tensor | None = None  # by vLLM, of the probe, after the last set of completions
    _before: tuple[torch.Tensor, torch.Tensor] | None = None  # vLLM's and the trainer's numbers of the last probe
    _rung: frozenset[str] = frozenset()

    def watch_engine(self, texts: Sequence[str], every: int, dtype: str) -> None:
        """texts: of prompts, for the probe."""
        tokenizer: Any = self.processing_class
        self.check_every, self.engine_dtype = every, dtype
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"][:NUM_TOKENS] for text in texts[:NUM_ROWS]]
        self._probe_ids = [row for row in ids if len(row) > 1]
        own: Any = self.vllm_generation
        # end tokens that the model's folder declares: vLLM was told to take nothing else from there
        own.generation_kwargs = {"stop_token_ids": list(self.eos_token_ids), **own.generation_kwargs}
        if is_adapted(self.model):
            own._iter_named_params = self._merged
        if own.mode == "colocate":
            own.llm.generate = self._probing(own.llm.generate)

    def _merged(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from merged_tensors(self.model, self._dist.gather_params)

    def _probing(self, generate: Callable[..., Any]) -> Callable[..., Any]:
        """vLLM's generate, which reads the probe too while the engine is awake."""

        def probing(prompts: Any, *arguments: Any, **named: Any) -> Any:
            found = generate(prompts, *arguments, **named)
            if self._is_due:
                self._said = logprobs_of(generate, self._probe_ids)
            return found

        return probing

    @property
    def _is_due(self) -> bool:
        return self.check_every is not None and self.state.global_step % self.check_every == 0

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        if self.model.training and self._is_due:
            with self.clock("check"):
                if self.vllm_generation.mode == "server" and self.accelerator.is_main_process:
                    self._said = logprobs_by(self.vllm_generation.vllm_client, self._probe_ids)
                unsynced, drifted = self._unsynced(), self._drifted(output)
                problems = unsynced or drifted  # other weights are why what they say differs
                for name in sorted(problems.keys() - self._rung):
                    step = self.state.global_step + 1
                    self.tell("alarm", step=step, name=name, words=problems[name], cure=CURES[name])
                self._rung = frozenset(problems)
        return output

    def _unsynced(self) -> dict[str, str]:
        said, own = self._said, self._own_numbers()  # a server is asked by one rank; the weights are all ranks'
        self._said = None
        if said is None:
            return {}
        mean = float((said - own).abs().mean())
        self._metrics["train"][PROBE].append(mean)
        before, self._before = self._before, (said, own)
        if before is not None and torch.equal(before[0], said) and not torch.equal(before[1], own):
            moved = float((before[1] - own).abs().max())
            return {
                NOT_SYNCED: f"vLLM's log-probabilities of the probe are the same to the last digit as {self.check_every} steps "
                f"before, the trainer's have moved by up to {moved:.2g}: vLLM generates with old weights"
            }
        if not mean <= MAX_PROBE[{self.engine_dtype, self._own_dtype} != {"float32"}]:
            return {
                NOT_SYNCED: f"log-probabilities of the probe differ by {mean:.2g} in the mean between vLLM "
                f"({self.engine_dtype}) and the trainer ({self._own_dtype}): vLLM has other weights, or computes otherwise"
            }
        return {}

    def _drifted(self, output: dict[str, Any]) -> dict[str, str]:
        sampled, mask = output.get("sampling_per_token_logps"), output["completion_mask"].bool()
        if sampled is None:
            return {}
        computed = output.get("old_per_token_logps")
        if computed is None:  # no correction asks for them
            ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
            attention = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
            with torch.no_grad():
                width, rows = output["completion_ids"].shape[1], self.args.per_device_train_batch_size
                computed = self._get_per_token_logps_and_entropies(self.model, ids, attention, width, rows)[0]
        difference = (computed - sampled)[mask].double()
        difference = difference[difference.isfinite()]
        sums = torch.stack([difference.exp().sum(), (difference.expm1() - difference).sum()])
        sums = torch.cat([sums, sums.new_tensor([len(difference)])])
        ratio, divergence, count = self._summed(sums)
        largest = difference.abs().max() if len(difference) else difference.sum()
        largest = float(self.accelerator.gather(largest[None]).max())  # pyright: ignore[reportAttributeAccessIssue]
        ratio, divergence = (one / count if count else math.nan for one in (ratio, divergence))
        for name, value in ((RATIO, ratio), (LARGEST, largest), (KL, divergence)):
            self._metrics["train"][name].append(value)
        if divergence <= MAX_KL[self._own_dtype != "float32"]:
            return {}
        return {
            DRIFT: f"vLLM samples from another distribution than the trainer computes: mean ratio {ratio:.4g}, largest "
            f"difference of a log-probability {largest:.2g}, KL {divergence:.2g}; {self._why()}"
        }

    def _summed(self, values: torch.Tensor) -> list[float]:
        found: Any = self.accelerator.reduce(values, "sum")
        return found.tolist()

    def _why(self) -> str:
        """What is known to make them differ."""
        arguments: Any = self.args
        partial = [
            f"train.trl.{name}={value}" for name, own in NEUTRAL.items() if (value := getattr(arguments, name)) != own
        ]
        if partial:
            return f"{' and '.join(partial)} leaves part of the distribution out, which no correction knows"
        if self.engine_dtype != self._own_dtype:
            return f"vLLM computes in {self.engine_dtype}, the training in {self._own_dtype}"
        return "weights that vLLM does not have, or arithmetic of its own"

    @property
    def _own_dtype(self) -> str:
        return trained_in(self.args)

    @torch.no_grad()
    def _own_numbers(self) -> torch.Tensor:
        """The trainer's log-probabilities of the probe, in the order of `_said`."""
        found = []
        wrapped: Any = self.model_wrapped
        # not gathered: under ZeRO 3 the layers gather themselves as they compute
        with unwrap_model_for_generation(wrapped, self.accelerator, gather_deepspeed3_params=False) as unwrapped:
            model: Any = unwrapped
            was_training = model.training
            model.eval()
            with self.accelerator.autocast():
                for ids in self._probe_ids:
                    row = torch.tensor([ids], device=self.accelerator.device)
                    logits_TV = model(input_ids=row).logits[0, :-1].float()
                    found.append(logits_TV.log_softmax(-1).gather(1, row[0, 1:, None])[:, 0].cpu())
            model.train(was_training)
        return torch.cat(found)
