"""The columns of the prompts on their way to the rewards: one row a prompt, every column under its own name."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.records import OWN, Prompt, Reference

GIVEN = (
    "prompts",
    "completions",
    "completion_ids",
    "trainer_state",
    "log_extra",
    "log_metric",
)  # by TRL to each reward
# Names that TRL reads from a dataset's row or hands to rewards itself: a column of that name would be lost, or break it.
TAKEN = (*OWN, *GIVEN, "prompt", "image", "images", "environments")


def refuse_taken_names(names: Iterable[str], key: str = "dataset") -> None:
    """A dataset's own columns must not be called like what rewards get anyway. UserError with every such name."""
    wrong = [name for name in dict.fromkeys(names) if name in TAKEN]
    if wrong:
        problems = [
            f"{key}: the column {name} has a name that {'a prompt has' if name in OWN else 'TRL uses'} itself; leave it "
            f"out (dataset=custom carries the columns of {key}.columns=[...], none with {key}.columns=[]), or rename it in "
            f"the data, for example to {name}_given"
            for name in wrong
        ]
        raise UserError(*problems)


def row_of(prompt: Prompt, asked: Sequence[Mapping[str, str]] | str) -> dict[str, Any]:
    """What training is given of a prompt: its chat or text, and all that rewards may ask for."""
    return {"prompt": asked, **{name: getattr(prompt, name) for name in OWN}, **prompt.columns}


def column_names(prompts: Iterable[Prompt]) -> list[str]:
    """Columns that rewards get by name from these prompts; one that some prompts lack is None for them."""
    return list(dict.fromkeys([*OWN, *(name for prompt in prompts for name in prompt.columns)]))


class RewardColumns:
    """The columns of training's rows, found by the rows' ids, as Python has them: the table that TRL is given would want
    one type a column, and would fill in the keys that some of its mappings lack."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = {row["id"]: row for row in rows}
        self.names = list(dict.fromkeys(name for row in rows for name in row if name != "prompt"))

    def of(self, ids: Sequence[str]) -> dict[str, list[Any]]:
        """Every column, a value per id, None where a row lacks it. They are copies: a reward may change what it gets."""
        return {name: [copy.deepcopy(self.rows[id].get(name)) for id in ids] for name in self.names}


def references_of(answers: Sequence[str], columns: Mapping[str, Any]) -> list[Reference]:
    """What graders take, from the columns as a reward gets them: as the evaluation makes them of the prompts,
    but that a column which this prompt alone lacks is None."""
    brought = {name: values for name, values in columns.items() if name not in TAKEN}
    return [
        Reference(answer, {name: values[i] for name, values in brought.items()}) for i, answer in enumerate(answers)
    ]
