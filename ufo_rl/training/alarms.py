"""What a person who watches a training would stop it for, told by name in the step in which it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from ufo_rl.files.journal import number
from ufo_rl.reward.correctness import UNPARSED

EARLY = 5  # lines of metrics that say what is usual; before, nothing but numbers that are none rings
PATIENCE = 3  # lines beside each other: one is an unlucky batch
SHORT, LONG = 1 / 3, 3.0  # of the early completions' length
CUT_OFF = 0.9  # of the completions
LOW_ENTROPY = 0.1  # of the early entropy
HIGH_KL = 10.0  # times the median so far
MIN_KL = 0.1  # below, the policy is near its beginning whatever the factor
MANY_UNPARSED, MORE_UNPARSED = 0.3, 0.2  # of the completions; more than in the beginning
SPIKE = 10.0  # times the median gradient norm so far; the logged norm is the one before clipping
LENGTH = "completions/mean_length"
WATCHED = (LENGTH, "entropy", "kl", "grad_norm", "reward", UNPARSED)  # whose past says what is usual

NOT_A_NUMBER = "not_a_number"
NOT_SYNCED, DRIFT = "weights_not_synced", "rollout_drift"  # see engine_check.py
CURES = {
    NOT_A_NUMBER: "lower train.learning_rate, or train with train.bf16=false",
    "all_dead": "no group has anything to teach: take other prompts (ratio, selector), a higher train.temperature or more "
    "train.num_generations",
    "length_collapse": "look at train/rollouts: a part of the reward may pay for saying nothing",
    "length_explosion": "look at train/rollouts; lower train.max_completion_tokens, or train.loss_type=dr_grpo",
    "cut_off": "raise train.max_completion_tokens, or look at train/rollouts for answers that never end",
    "unparsed_rewarded": "look at train/rollouts: part of the reward pays for completions without an answer",
    "entropy_collapse": "the policy says one thing only: lower train.learning_rate, or train.trl.epsilon_high=0.28",
    "kl_blow_up": "the policy leaves its beginning fast: lower train.learning_rate, or raise train.beta",
    "gradient_spikes": "lower train.learning_rate or train.max_grad_norm",
    NOT_SYNCED: "the completions are not the policy's: end this, and take rollout=hf or another version of vLLM",
    DRIFT: "take train.trl.top_p=1 and top_k=0, rollout.dtype=null, or rollout=hf",
}


@dataclass(frozen=True)
class Alarm:
    """name: one of CURES. words: what shows, with its numbers."""

    name: str
    words: str

    @property
    def cure(self) -> str:
        return CURES[self.name]


class Alarms:
    """Looks at each line of metrics. An alarm rings once, and again when it has been quiet in between."""

    def __init__(self) -> None:
        self._past: list[dict[str, float]] = []
        self._count: dict[str, int] = {}

    def look(self, line: Mapping[str, Any]) -> list[Alarm]:
        """What begins to ring with this line."""
        values = {name: found for name, value in line.items() if (found := number(value)) is not None}
        found, rung = self._seen(values), []
        for name in CURES:
            self._count[name] = self._count.get(name, 0) + 1 if name in found else 0
            if self._count[name] == (1 if name == NOT_A_NUMBER else PATIENCE):
                rung.append(Alarm(name, found[name]))
        self._past.append({name: values[name] for name in WATCHED if math.isfinite(values.get(name, math.nan))})
        return rung

    def state(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"past": self._past, "count": self._count}

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a state; None, of an earlier version, knows nothing."""
        if state is not None:
            self._past, self._count = list(state["past"]), dict(state["count"])

    def _seen(self, values: Mapping[str, float]) -> dict[str, str]:
        found = {}
        for name in ("loss", "grad_norm"):
            if name in values and not math.isfinite(values[name]):
                found[NOT_A_NUMBER] = f"{name} is {values[name]}"
        if values.get("frac_reward_zero_std") == 1.0:
            found["all_dead"] = f"all completions of every group have the same reward, {PATIENCE} times running"
        if values.get("completions/clipped_ratio", 0.0) >= CUT_OFF:
            found["cut_off"] = f"{100 * values['completions/clipped_ratio']:.0f} % of the completions are cut off"
        length, usual = values.get(LENGTH), self._early(LENGTH)
        if length is not None and usual is not None and length < SHORT * usual:
            found["length_collapse"] = f"{length:.0f} tokens a completion, {usual:.0f} in the beginning"
        if length is not None and usual is not None and length > LONG * usual:
            found["length_explosion"] = f"{length:.0f} tokens a completion, {usual:.0f} in the beginning"
        unparsed, usual, reward = values.get(UNPARSED), self._early(UNPARSED), self._early("reward")
        is_more = unparsed is not None and usual is not None and unparsed >= max(MANY_UNPARSED, usual + MORE_UNPARSED)
        if is_more and reward is not None and values.get("reward", -math.inf) >= reward:
            found["unparsed_rewarded"] = (
                f"{100 * (unparsed or 0):.0f} % of the completions have no answer that can be read, {100 * (usual or 0):.0f} % "
                f"in the beginning, and the reward has not fallen: {values['reward']:.3g}, {reward:.3g} in the beginning"
            )
        entropy, usual = values.get("entropy"), self._early("entropy")
        if entropy is not None and usual is not None and entropy < LOW_ENTROPY * usual:
            found["entropy_collapse"] = f"entropy {entropy:.2g}, {usual:.2g} in the beginning"
        for name, kind, factor, least in (
            ("kl", "kl_blow_up", HIGH_KL, MIN_KL),
            ("grad_norm", "gradient_spikes", SPIKE, 0.0),
        ):
            value, usual = values.get(name), self._usual(name)
            if value is not None and math.isfinite(value) and usual is not None and value > max(least, factor * usual):
                found[kind] = f"{name} {value:.2g}, {usual:.2g} so far"
        return found

    def _early(self, name: str) -> float | None:
        known = [line[name] for line in self._past if name in line][:EARLY]
        return median(known) if len(known) == EARLY else None

    def _usual(self, name: str) -> float | None:
        """The median so far; a batch without any advantage, whose gradient is exactly 0, says nothing."""
        known = [line[name] for line in self._past if line.get(name)]
        return median(known) if len(known) >= EARLY else None
