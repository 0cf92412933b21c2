"""Signal `confidence`, the parent's half: what is scored, under which keys it is stored, what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

from ufo_rl.config.kinds import CHANGES_NO_RESULT, Flag, changes_no_result, node
from ufo_rl.config.schema import Count, Dtype, EngineConfig
from ufo_rl.errors import UserError
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.records import Prompt
from ufo_rl.signals.confidence.target import scored_text

if TYPE_CHECKING:  # what a command line needs of a signal is light
    import pyarrow as pa

    from ufo_rl.launch.publish import SignalRow
    from ufo_rl.signals.protocol import PoolRows, Subject

VERSION = 3  # raise it when the numbers change: old stores are then no longer found
TOKENS = ("num_tokens", "prefix_tokens", "padded_tokens", "num_target_tokens", "generated_tokens")


@node
class Confidence:
    """exp of the mean log-probability of the target tokens, in one forward pass (arXiv 2505.12457). Keys: see
    conf/signal/confidence.yaml."""

    engine: Literal["own", "vllm"]
    target: Literal["answer", "solution", "response", "question"]
    reduction: Literal["mean", "sum", "min"]
    dtype: Dtype | None
    max_response_tokens: Count
    keep_token_logprobs: Flag
    batch_size: Annotated[Count | None, CHANGES_NO_RESULT]
    batch_tokens: Annotated[Count | None, CHANGES_NO_RESULT]

    stage: ClassVar[str] = "score"
    unit: ClassVar[str] = "prompts"
    rank: ClassVar[str] = "ufo_rl.signals.confidence.rank.measure"
    stored: ClassVar[tuple[str, ...]] = ("id", "mean_logprob", "sum_logprob", "min_logprob", *TOKENS, "border")

    @property
    def columns(self) -> tuple[str, ...]:
        """The sum and the least log-probability are columns where they are what confidence is made of."""
        return (
            *("confidence", "log_confidence", *dict.fromkeys(("mean_logprob", self._reduced))),
            *("num_target_tokens", "tokens"),
        )

    def check(self, prompts: Sequence[Prompt]) -> None:
        """The target `solution` needs one for every prompt."""
        bare = [prompt.id for prompt in prompts if not prompt.solution.strip()]
        if self.target == "solution" and bare:
            raise UserError(
                f"signal.confidence.target=solution: {len(bare)} of {len(prompts)} prompts have no solution, first "
                f"{bare[0]}; name its column (dataset.solution), or take the target answer, response or question"
            )

    def identity(self, subject: Subject) -> dict[str, Any]:
        is_response = self.target == "response"
        settings, model = asdict(self), subject.chat.id  # pyright: ignore[reportArgumentType]
        for key in (*changes_no_result(Confidence), "reduction", *(() if is_response else ("max_response_tokens",))):
            del settings[key]
        if not is_response:
            model = {key: value for key, value in model.items() if key != "generation"}
        settings["engine"] = decides(self.engine, subject.engine.vllm)
        dtype = self.dtype or subject.dtype
        return {"version": VERSION, "template": dict(subject.template), **settings, "dtype": dtype, "model": model}

    def rows(self, subject: Subject) -> PoolRows:
        from ufo_rl.launch.publish import SignalRow
        from ufo_rl.signals.protocol import OneRowEach

        def make() -> Iterator[SignalRow]:
            form = subject.chat.form
            for prompt in subject.prompts:
                text = subject.chat.render(prompt)
                yield SignalRow.of(prompt.id, *scored_text(self.target, text, prompt, form), prompt.answer)

        return OneRowEach(make, self.values)

    def request(self, subject: Subject, store: Path, num_missing: int) -> ConfidenceRequest:
        stop = tuple(subject.chat.template.stop)
        return ConfidenceRequest(subject.chat.folder, self.dtype or subject.dtype, store, self, subject.engine, stop)

    def owns_device(self, subject: Subject) -> bool:
        return self.engine == "vllm"

    @property
    def _reduced(self) -> str:
        return f"{self.reduction}_logprob"

    def values(self, found: pa.Table) -> dict[str, np.ndarray]:
        """Stored rows as columns."""
        reduced = self._reduced
        columns = {name: found[name].to_numpy() for name in dict.fromkeys(("mean_logprob", reduced))}
        return {
            **columns,
            "log_confidence": columns[reduced],  # exp of it may be 0 for sums over long targets
            "confidence": np.exp(columns[reduced]),
            "num_target_tokens": found["num_target_tokens"].to_numpy(),
            "tokens": found["num_tokens"].to_numpy(),
        }


@node
class ConfidenceRequest:
    """What a rank is asked: the model in `model`, computed in `dtype`, into the store's folder. stop: texts at which a
    response ends."""

    model: Path
    dtype: str
    store: Path
    settings: Confidence
    engine: EngineConfig
    stop: tuple[str, ...] = ()
