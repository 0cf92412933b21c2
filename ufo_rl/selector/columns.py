"""The columns that a selector gets: those of the pool, those of its signals, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ufo_rl.records import OWN, TEXTS, Prompt
from ufo_rl.selector import Selector

FEW = 64  # prompts that a selector is tried on
# `tokens` are those of the prompt as the model reads it; where confidence is measured, of the whole scored text.
OF_EVERY_POOL = (*OWN, "tokens")


class Columns(dict[str, np.ndarray]):
    """Numpy columns by name, one row a prompt; `later` holds what is not worth making before somebody asks for it."""

    def __init__(
        self, columns: Mapping[str, np.ndarray], later: Mapping[str, Callable[[], np.ndarray]] | None = None
    ) -> None:
        super().__init__(columns)
        self.later = dict(later or {})

    def __missing__(self, name: str) -> np.ndarray:
        if name not in self.later:
            raise KeyError(f"no column {name}; there are {', '.join(sorted({*self, *self.later}))}")
        self[name] = self.later[name]()
        return self[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.later

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]

    def in_order(self, order: np.ndarray) -> Columns:
        """The same columns with their rows in another order."""
        return Columns({}, {name: partial(self._ordered, name, order) for name in {*self, *self.later}})

    def _ordered(self, name: str, order: np.ndarray) -> np.ndarray:
        return self[name][order]


class _Dry(Columns):
    """Columns that remember what was asked of them in vain."""

    vain: KeyError | None = None
    name = ""

    def __missing__(self, name: str) -> np.ndarray:
        try:
            return super().__missing__(name)
        except KeyError as error:
            self.vain, self.name = error, name
            raise


def asked_in_vain(selector: Selector, prompts: Sequence[Prompt], measured: Iterable[str]) -> str:
    """The column for want of which the selector stops, "" for none: it is tried on a few prompts, with numbers from 0.1 to 0.9
    for what is not yet measured. Whatever else stops it on such numbers says nothing."""
    few = prompts[:FEW]
    table = of_pool(few, lambda of: [len(prompt.question) for prompt in of])
    dry = _Dry(table, {**table.later, **dict.fromkeys(measured, lambda: np.linspace(0.1, 0.9, len(few)))})
    try:
        selector.sort_key(dry)
    except Exception as error:  # a class of the user's may raise anything
        reasons: list[BaseException | None] = [error]
        while (last := reasons[-1]) is not None:
            reasons.append(last.__cause__ or last.__context__)
        return dry.name if dry.vain is not None and dry.vain in reasons else ""
    return ""


def of_pool(prompts: Sequence[Prompt], num_tokens: Callable[[Sequence[Prompt]], Sequence[int]]) -> Columns:
    """The pool's own columns: texts as objects (of fixed width the longest would set the memory of all), what the dataset
    brought besides (None where a prompt has it not), and tokens."""
    later: dict[str, Callable[[], np.ndarray]] = {name: partial(_texts, prompts, name) for name in TEXTS}
    extra = dict.fromkeys(name for prompt in prompts for name in prompt.columns)
    later |= {name: partial(carried, prompts, name) for name in extra}
    later["tokens"] = lambda: np.array(num_tokens(prompts))
    return Columns({"id": np.array([prompt.id for prompt in prompts])}, later)


def _texts(prompts: Sequence[Prompt], name: str) -> np.ndarray:
    return np.array([getattr(prompt, name) for prompt in prompts], dtype=object)


def carried(prompts: Sequence[Prompt], name: str) -> np.ndarray:
    """A column that the dataset brought: numbers as numbers where all are; else objects."""
    values = [prompt.columns.get(name) for prompt in prompts]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
