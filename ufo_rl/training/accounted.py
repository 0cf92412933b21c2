"""TRL's trainer, giving account of every set of completions: its groups and what they taught, its tokens, its texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from accelerate.utils import gather_object

from ufo_rl.files.atomic import write_table
from ufo_rl.training.feed import Fed
from ufo_rl.training.groups import REASONS, Group, groups_of

DEAD = "dead_groups/{}"  # share of a set's groups, by reason


def silent(event: str, **values: Any) -> None:
    """Ranks but the first have nothing to say."""


class Accounted(Fed):
    """GRPOTrainer that tells of each set of completions the step that uses it first and its groups (ids, mean rewards, reasons
    of the dead), counts tokens, and keeps every so many steps the completions of a set.

    tell: the journal's. golds: reference answers by prompt. folder: of the tables of completions, `step-000001.parquet` and so
    on; None keeps none. every: steps between them.
    """

    args: Any
    tell: Callable[..., Any] = staticmethod(silent)
    golds: dict[str, str] = {}  # noqa: RUF012 - an instance gets its own
    folder: Path | None = None
    every = 1
    generated_tokens = 0  # of all completions so far, on all ranks
    groups: list[Group] = []  # noqa: RUF012 - of the latest set, the same on every rank

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        parts_NP = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        if self.model.training:
            ids = gather_object([row["id"] for row in inputs])
            self._num_tokens_N: list[int] = gather_object([len(one) for one in completion_ids_list])
            self._parts_NP = parts_NP
            self.groups = groups_of(
                ids, parts_NP, self.args.reward_weights, self.reward_func_names, self.num_generations
            )
            self.feed.learn(self.groups)
            self.generated_tokens += sum(self._num_tokens_N)
            for reason in REASONS:
                share = sum(group.dead == reason for group in self.groups) / len(self.groups)
                self._metrics["train"][DEAD.format(reason)].append(share)
        return parts_NP

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        if self.model.training and self.accelerator.is_main_process:
            step = self.state.global_step + 1
            self.tell(
                "groups",
                step=step,
                ids=[group.id for group in self.groups],
                rewards=[mean_of(group.rewards) for group in self.groups],
                dead=[group.dead for group in self.groups],
                tokens=sum(self._num_tokens_N),
            )
            if self.folder is not None and (self.feed.num_taken - 1) % self._sets_between == 0:
                with self.clock("rollouts"):
                    self._keep(self.folder / f"step-{step:06d}.parquet", step)
        return output

    @property
    def _sets_between(self) -> int:
        """Sets of completions from one table to the next."""
        passes = self.args.steps_per_generation * self.args.num_iterations
        return max(1, round(self.every * self.args.gradient_accumulation_steps / passes))

    def _keep(self, path: Path, step: int) -> None:
        """The set's completions as a table; the newest lines of what TRL logs."""
        ids = [group.id for group in self.groups for _ in group.rewards]
        prompts, completions, advantages = (
            list(self._logs[name])[-len(ids) :] for name in ("prompt", "completion", "advantages")
        )
        columns = {
            "step": [step] * len(ids),
            "id": ids,
            "prompt": [text_of_chat(one) for one in prompts],
            "completion": [text_of_chat(one) for one in completions],
            "gold": [self.golds.get(id) for id in ids],
            **{f"reward/{name}": self._parts_NP[:, i].tolist() for i, name in enumerate(self.reward_func_names)},
            "reward": [reward for group in self.groups for reward in group.rewards],
            "advantage": advantages,
            "tokens": self._num_tokens_N,
            "dead": [group.dead for group in self.groups for _ in group.rewards],
        }
        write_table(path, pa.table(columns))
        self.tell("rollouts", step=step, file=str(path))


def mean_of(rewards: list[float]) -> float | None:
    """None where no completion was given a reward."""
    known = [one for one in rewards if not math.isnan(one)]
    return sum(known) / len(known) if known else None


def text_of_chat(messages: Any) -> str:
    """A prompt or completion as TRL has it: a text, or messages, whose last one is what is asked or said."""
    return messages if isinstance(messages, str) else str(messages[-1]["content"])
