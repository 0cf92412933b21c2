"""The most that a rank holds: what is there throughout, and on top of it the phase of a step that takes most."""

from __future__ import annotations

from dataclasses import dataclass

from ufo_rl.training.memory.layout import FLOAT, Held, Layout, number
from ufo_rl.training.memory.passes import activations, generation, logits, shared_gpu
from ufo_rl.training.memory.sharded import bucket, buckets, gathered, gradients, states, update

PHASES = ("backward", "end of backward", "update", "generation")


@dataclass(frozen=True)
class Estimate:
    """Bytes of a rank, on its device. throughout: parts that are there in every phase; phases: what comes on top of them.

    host: of one rank, in the memory of its machine besides (on a CPU nothing: there all is the host's)."""

    throughout: list[Held]
    phases: dict[str, list[Held]]
    host: list[Held]

    @property
    def phase(self) -> str:
        """The one that takes most."""
        return max(self.phases, key=lambda name: total(self.phases[name]))

    @property
    def parts(self) -> list[Held]:
        """Of the moment when most is held."""
        return [*self.throughout, *self.phases[self.phase]]

    @property
    def peak(self) -> float:
        return total(self.parts)


def total(parts: list[Held]) -> float:
    return sum(part.bytes for part in parts)


def estimate(layout: Layout, gpu: float | None = None) -> Estimate:
    """gpu: bytes of a rank's device, where they are known: what vLLM is given is a share of them.

    When the backward pass begins, activations and the head's tile are there and no gradient; when it ends, all gradients
    and the last layer. They are not added up.
    """
    early = bucket(layout) if layout.deepspeed is not None and layout.stage in (1, 2) and layout.is_cuda else []
    accumulated = gradients(layout)[:1] if layout.train.gradient_accumulation_steps > 1 else []
    vllm = shared_gpu(layout, gpu)
    is_asleep = layout.rollout.sleep
    phases = {
        "backward": [activations(layout), *logits(layout), *gathered(layout), *accumulated, *early],
        "end of backward": [*gradients(layout), *gathered(layout)],
        "update": update(layout),
        "generation": [*generation(layout), *(vllm if is_asleep else [])],
    }
    return Estimate([*states(layout), *buckets(layout), *([] if is_asleep else vllm)], phases, _host(layout))


def _host(layout: Layout) -> list[Held]:
    """Of one rank with a GPU: the model as it is loaded, in the precision that trains it, and what is offloaded. Under ZeRO 3
    its share, and the largest matrix twice: whole, and as it is handed out."""
    if not layout.is_cuda:
        return []
    count, shards = layout.model.num_parameters, layout.shards(3)
    formula = (
        f"{number(count)} x {layout.size} B" + (f" / {shards}" if shards > 1 else "") + ", until it is on its device"
    )
    whole = 2 * layout.model.largest if layout.stage == 3 else 0
    loaded = Held("loading", (count / shards + whole) * layout.size, formula)
    return [loaded, *states(layout, is_away=True)]


def disk(layout: Layout) -> list[Held]:
    """Bytes that a run leaves or needs on disk: its policy, the best one beside it, and checkpoints while it trains, one more
    than are kept while the next is written."""
    count, train = layout.model.num_parameters, layout.train
    goes = ", until it is evaluated" if train.keep_policy == "none" else ""
    policy = Held("policy", count * layout.size, f"{number(count)} x {layout.size} B{goes}")
    found = [policy]
    if train.lora.rank is not None:
        found.append(Held("adapter", layout.trained * FLOAT, f"{number(layout.trained)} x 4 B"))
    if train.best_by is not None:
        found.append(Held("best policy", policy.bytes, policy.formula))
    if train.save_steps is not None or train.eval_steps is not None:
        saved, states_of = (count if train.lora.rank is None else layout.trained), layout.trained
        own = 12 if layout.deepspeed is not None else 8
        kept = train.keep_checkpoints + 1
        formula = f"({number(saved)} x {layout.size} B + {number(states_of)} x {own} B) x {kept}, while it trains"
        found.append(Held("checkpoints", (saved * layout.size + states_of * own) * kept, formula))
    return found
