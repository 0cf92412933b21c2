"""What makes a run the run it is: a readable name and the hash of everything that can change its results."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from decimal import Decimal
from typing import Any

from ufo_rl.config.build import part_class
from ufo_rl.config.display_name import display_name
from ufo_rl.config.kinds import changes_no_result, stated
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError
from ufo_rl.files.keys import digest
from ufo_rl.grader import set_of

# What the name of a run says of itself, and where it is launched, which changes no result.
CHOSEN = (
    *("model", "model.name", "dataset", "dataset.name", "selector", "selector.name", "ratio", "ratio.value", "seed"),
    "launch",
)


def volatile(config: Mapping[str, Any], plugins: Sequence[str] = ()) -> tuple[str, ...]:
    """The dotted keys of a plain configuration that change no result, as the types of its nodes and signals mark them.

    Signals of other packages are asked only if these are among `plugins`: that imports them.
    """
    marked = list(changes_no_result(Config))
    for name, node in (config.get("signal") or {}).items():
        try:
            part = part_class(node, "signal", plugins)
        except UserError:
            continue
        marked += [f"signal.{name}.{key}" for key in _marks(part)]
    return tuple(marked)


def _marks(part: Any) -> tuple[str, ...]:
    try:
        return changes_no_result(part) if is_dataclass(part) else ()
    except NameError:  # types of the user's that only a type checker sees: they cannot be marked
        return ()


def grader_settings(node: Mapping[str, Any], plugins: Sequence[str]) -> dict[str, Any]:
    """What of a grader's node can change a verdict."""
    try:
        return set_of(node, part_class(node, "grader", plugins))
    except UserError:
        return dict(node)  # validation reports it


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a resolved plain configuration without the keys that change no result."""
    kept = copy.deepcopy(stated(Config, config))
    for key in volatile(config, config.get("plugins", [])):
        *parents, last = key.split(".")
        node: Any = kept
        for parent in parents:
            node = node.get(parent, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict):
            node.pop(last, None)
    for node in (kept, *(kept.get("eval") or {}).values()):
        if isinstance(node, dict) and isinstance(node.get("grader"), Mapping):
            node["grader"] = grader_settings(node["grader"], config.get("plugins", []))
    return kept


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved plain configuration that decides the results.

    Signals that the selector does not use are left out, and so is what counts as contaminated where nothing is removed
    for it; a selector that keeps everything has the ratio 1 whatever was asked, so that a sweep over ratios trains it
    once.
    """
    kept = decisive(config)
    contamination = kept.get("contamination")
    if isinstance(contamination, Mapping) and contamination.get("remove") is False:
        del kept["contamination"]
    try:
        selector = part_class(kept["selector"], "selector", config.get("plugins", []))
    except (UserError, KeyError):
        return kept  # an invalid configuration gets a name too; validation reports it
    used = getattr(selector, "signals", None)
    if isinstance(used, tuple | list):  # else each instance has its own, or none: all signals may matter
        kept["signal"] = {name: node for name, node in kept["signal"].items() if name in used}
    if getattr(selector, "keeps_all", False) is True:
        kept["ratio"] = {"value": 1.0}
    return kept


def cell_id(config: Mapping[str, Any]) -> str:
    """8 hex digits shared by the runs that differ in nothing but the seed."""
    return digest({k: v for k, v in identity(config).items() if k != "seed"}, 8)


def run_id(config: Mapping[str, Any]) -> str:
    """For example tiny-arithmetic-ufo-10pct-s0-209687c7: short choices and 8 hex digits of the identity."""
    return "-".join(_words(config))


def run_choices(config: Mapping[str, Any]) -> str:
    """The same without the hash."""
    return "-".join(_words(config)[:2])


def run_name(config: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """The same with the overrides that changed results, for people: an ablation's runs are told apart by it."""
    choices, *tail = _words(config)
    return display_name(choices, "-".join(tail), overrides, CHOSEN, volatile(config, config.get("plugins", [])))


def _words(config: Mapping[str, Any]) -> tuple[str, str, str]:
    """tiny-arithmetic-ufo-10pct, s0, 209687c7"""
    kept = identity(config)
    ratio = "full" if kept["ratio"]["value"] == 1.0 else percent(kept["ratio"]["value"])
    words = [kept["model"]["name"], kept["dataset"].get("name", "custom"), kept["selector"].get("name", "custom")]
    if ratio not in words:
        words.append(ratio)
    return "-".join(map(str, words)), f"s{kept['seed']}", digest(kept, 8)


def percent(ratio: Any) -> str:
    """0.05 -> 05pct, 0.1 -> 10pct, 0.005 -> 00.5pct, 1e-9 -> 00.0000001pct: sorts as text."""
    if not isinstance(ratio, int | float) or not math.isfinite(ratio):
        return str(ratio)
    whole, _, rest = format(Decimal(f"{100 * ratio:.6g}"), "f").partition(".")
    return f"{int(whole):02d}{'.' + rest if rest else ''}pct"
