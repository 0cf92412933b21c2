"""The most that a rank holds: what is there throughout, and on top of it the phase of a step that takes most."""

from __future__ import annotations

from dataclasses import dataclass

from ufo_rl.training.memory.layout import ADAM, FLOAT, Held, Layout, number
from ufo_rl.training.memory.passes import activations, copies, generation, logits, shared_gpu
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
    has_before = layout.train.gradient_accumulation_steps > 1
    accumulated = [part for part in gradients(layout) if part.name == "gradients"] if has_before else []
    vllm = shared_gpu(layout, gpu)
    is_asleep = layout.rollout.sleep
    phases = {
        "backward": [activations(layout), *logits(layout), *copies(layout), *gathered(layout), *accumulated, *early],
        "end of backward": [*gradients(layout), *copies(layout), *gathered(layout)],
        "update": update(layout),
        "generation": [*generation(layout), *(vllm if is_asleep else [])],
    }
    own = [*states(layout), *([] if layout.is_cuda else states(layout, is_away=True))]  # on a CPU all is the host's
    return Estimate([*own, *buckets(layout), *([] if is_asleep else vllm)], phases, _host(layout))


def _host(layout: Layout) -> list[Held]:
    """Of one rank with a GPU: the model as it is loaded, in the precision that trains it, and what is offloaded. The
    reference is loaded while the policy is still there. Under ZeRO 3 shares, and the largest matrix twice: whole, and
    as it is handed out."""
    if not layout.is_cuda:
        return []
    count, shards, models = layout.model.num_parameters, layout.shards(3), 2 if layout.has_reference else 1
    formula = f"{number(count)} x {layout.size} B" + (f" / {shards}" if shards > 1 else "")
    formula += " x 2, policy and reference" if models > 1 else ""
    whole = 2 * layout.model.largest if layout.stage == 3 else 0
    formula += f" + 2 x {number(layout.model.largest)} x {layout.size} B, the largest matrix" if whole else ""
    loaded = Held("loading", (count / shards * models + whole) * layout.size, f"{formula}, until on the device")
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
        each = " + ".join(str(size) for size in _saved(layout))
        kept = train.keep_checkpoints + 1
        formula = f"{number(layout.trained)} x ({each}) B x {kept}, while it trains"
        found.append(Held("checkpoints", layout.trained * sum(_saved(layout)) * kept, formula))
    return found


def _saved(layout: Layout) -> tuple[int, ...]:
    """Bytes of a checkpoint for each trained weight: transformers' file of weights, DeepSpeed's own of the same
    weights, and the optimizer's, in which DeepSpeed has a copy in float32. In every stage sums over all ranks."""
    if layout.deepspeed is None:
        return FLOAT, ADAM
    return layout.size, layout.size, FLOAT + ADAM
