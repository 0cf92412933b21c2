"""What the arms of a comparison are called: selector and ratio, and the settings that tell them apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

from ufo_rl.config.display_name import shortest
from ufo_rl.config.identity import volatile
from ufo_rl.files.flat import flat
from ufo_rl.files.keys import digest
from ufo_rl.report.disk.run_record import Run

# Keys, with all below them, that make another arm or seed of one experiment.
ARM = ("selector", "ratio", "seed")
# Settings that a label spells out if arms are told apart by these; more would not fit the first column.
MAX_MARKS, MAX_VALUE_CHARS = 3, 40
# Characters that the table of accuracies leaves for a label.
MAX_SHOWN_CHARS = 38

Values = dict[Run, dict[str, str]]


@lru_cache(maxsize=4096)  # a run is its folder, and is not written to
def settings(run: Run) -> dict[str, str]:
    """The configuration that makes the experiment, without the selection: dotted keys, values as text."""
    others = (*volatile(run.config), *ARM)
    return {
        key: _text(value)
        for key, value in flat(run.config, ".").items()
        if not any(key == name or key.startswith(f"{name}.") for name in others)
    }


def _text(value: Any) -> str:
    """A value as the configuration writes it."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def arm_labels(runs: list[Run]) -> dict[Run, str]:
    """The arm of each run, with the settings that most runs of the block or of its selector do not share, and those in
    which runs of the same selector and ratio differ. Runs of different settings have different labels; seeds share one."""
    whole = _by_option({run: settings(run) for run in runs})
    values = {run: {k: v for k, v in own.items() if not k.startswith("eval.")} for run, own in whole.items()}
    marked = _unusual(values)
    for alike in _groups(runs, lambda run: run.selector):
        own = {run: {f"selector.{k}": _text(v) for k, v in run.config.get("selector", {}).items()} for run in alike}
        for run, keys in _unusual(own).items():
            marked[run] += keys
            values[run] |= own[run]
    for alike in _groups(runs, lambda run: run.arm):
        _add_differing(marked, {run: values[run] for run in alike})
    for alike in _groups(runs, lambda run: (run.arm, _marks(run, marked, values))):  # benchmarks asked in another way
        _add_differing(marked, {run: whole[run] for run in alike})
        for run in alike:
            values[run] = whole[run] | values[run]
    return _spelt(runs, marked, values)


def _by_option(values: Values) -> Values:
    """Of a group of options whose `name` differs (train=dapo) that, and not what follows from it: the keys that are alike in
    all runs of one name."""
    names = {key for own in values.values() for key in own if key.endswith(".name")}
    found = {run: dict(own) for run, own in values.items()}
    for name in sorted(names):
        group = name.removesuffix(".name")
        runs_of: dict[str | None, list[Run]] = {}
        for run, own in values.items():
            runs_of.setdefault(own.get(name), []).append(run)
        if len(runs_of) == 1 or None in runs_of:
            continue
        follows = [
            key
            for key in dict.fromkeys(key for own in values.values() for key in own if key.startswith(f"{group}."))
            if all(len({values[run].get(key) for run in alike}) == 1 for alike in runs_of.values())
        ]
        for run, own in values.items():
            found[run] = {group: own[name]} | {key: value for key, value in found[run].items() if key not in follows}
    return found


def in_order(label: str) -> list[tuple[int, float, str]]:
    """Sorts labels as people do: numbers by their value."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", label)
    return [(1, float(part), "") if i % 2 else (0, 0.0, part) for i, part in enumerate(parts)]


def shown_labels(labels: dict[Run, str]) -> tuple[dict[Run, str], dict[str, str]]:
    """Labels that a table need not cut, by run, and what those that are numbered for it stand for."""
    long = dict.fromkeys(label for label in labels.values() if len(label) > MAX_SHOWN_CHARS)
    numbers = {label: f"#{i}" for i, label in enumerate(long, start=1)}
    shown = {run: f"{numbers[label]} {run.arm}" if label in numbers else label for run, label in labels.items()}
    return shown, {shown[run]: label for run, label in labels.items() if label in numbers}


def _spelt(runs: list[Run], marked: dict[Run, list[str]], values: Values) -> dict[Run, str]:
    keys = sorted(
        dict.fromkeys(key for own in marked.values() for key in own), key=lambda key: "." in key
    )  # options first
    marked = {run: [key for key in keys if key in own] for run, own in marked.items()}  # in one order
    short = dict(zip(keys, shortest(keys), strict=True))
    said = {key: _said({str(values[run].get(key)) for run in runs if key in marked[run]}) for key in keys}
    full = {run: [f"{short[key]}={said[key][str(values[run].get(key))]}" for key in marked[run]] for run in runs}
    first = {run: " ".join([run.arm, *own[:MAX_MARKS], *_more(own)]) for run, own in full.items()}
    labels = dict(first)
    for alike in _groups(runs, first.__getitem__):
        if len({tuple(full[run]) for run in alike}) > 1:
            labels |= {run: " ".join([run.arm, *full[run]]) for run in alike}
    return labels


def _more(marks: list[str]) -> list[str]:
    return [f"+{len(marks) - MAX_MARKS}"] if len(marks) > MAX_MARKS else []


def _said(values: set[str]) -> dict[str, str]:
    """Values as a label shows them: of paths what they do not share, of long ones the end."""
    parts = {value: value.split("/") for value in values}
    while len(parts) > 1 and all(len(own) > 1 for own in parts.values()):
        first, last = ({own[i] for own in parts.values()} for i in (0, -1))
        if len(first) > 1 and len(last) > 1:
            break
        parts = {value: own[1:] if len(first) == 1 else own[:-1] for value, own in parts.items()}
    joined = {value: "/".join(own) for value, own in parts.items()}
    ends = {v: one if len(one) <= MAX_VALUE_CHARS else f"~{one[1 - MAX_VALUE_CHARS :]}" for v, one in joined.items()}
    alike = {end for end, times in Counter(ends.values()).items() if times > 1}
    return {v: f"{digest(v, 4)}{end}" if end in alike else end for v, end in ends.items()}


def _unusual(values: Values) -> dict[Run, list[str]]:
    """The keys whose value most runs do not share; on a tie the first run's is usual."""
    usual = {
        key: Counter(one.get(key) for one in values.values()).most_common(1)[0][0]
        for key in dict.fromkeys(key for one in values.values() for key in one)
    }
    return {run: [key for key in usual if one.get(key) != usual[key]] for run, one in values.items()}


def _add_differing(marked: dict[Run, list[str]], values: Values) -> None:
    """Mark the keys in which these runs differ, in each of them."""
    keys = dict.fromkeys(key for own in values.values() for key in own)
    differing = [key for key in keys if len({own.get(key) for own in values.values()}) > 1]
    for run in values:
        marked[run] += [key for key in differing if key not in marked[run]]


def _marks(run: Run, marked: dict[Run, list[str]], values: Values) -> tuple[str, ...]:
    return tuple(f"{key}={values[run].get(key)}" for key in marked[run])


def _groups(runs: list[Run], key: Callable[[Run], Hashable]) -> list[list[Run]]:
    found: dict[Hashable, list[Run]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return list(found.values())
