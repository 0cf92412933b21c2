"""What a signal cost: when it was measured, in this run, and what it would have cost where it was found stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute

from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.files.store import total

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers do not see them
WEIGHTS = ("token_weights", "target_weights", "body_weights", "head_weights")


def remember(folder: Path, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Weights of the model and peak memory, as the ranks of this run report them; kept in the store's `folder` for runs
    that find everything stored (`results` empty). {} where no rank has ever reported."""
    path = folder / "facts.json"
    before: dict[str, Any] = read_json(path) if path.is_file() else {}
    if not results:
        return before
    peaks = [before.get("peak_memory_gib", 0.0), *(result.get("peak_memory_gib", 0.0) for result in results)]
    facts = {name: results[0][name] for name in WEIGHTS if name in results[0]} | {"peak_memory_gib": max(peaks)}
    write_json(path, facts)
    return facts


def account(
    found: pa.Table, stored: Collection[str], results: Sequence[dict[str, Any]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """found: the pool's rows; stored: the keys that were there before; results: of the ranks that measured the rest;
    facts: see `remember`.

    num_* count prompts, of pass rates samples; names with cost_ speak of the whole pool when it was measured, the others
    of what this run computed. Seconds are wall time, device seconds those of all ranks together; measuring is what is left
    of them without start-up, None where a row was stored by a version that did not tell them apart.
    """
    fresh = found.filter(pc.invert(pc.is_in(found["key"], value_set=pa.array(list(stored), pa.string()))))
    costs: dict[str, Any] = {
        "num_scored": len(fresh),
        "num_cached": len(found) - len(fresh),
        **tokens(fresh),
        "cost_seconds": total(found, "seconds"),
        "cost_device_seconds": total(found, "device_seconds"),
        "cost_startup_seconds": startup(found, "seconds"),
        "cost_measuring_seconds": measuring(found, "seconds"),
        "cost_measuring_device_seconds": measuring(found, "device_seconds"),
        **{f"cost_{key}": value for key, value in tokens(found).items()},
    }
    if "peak_memory_gib" in facts:
        costs["cost_peak_memory_gib"] = facts["peak_memory_gib"]
    whole = flops(found, facts)
    if whole is not None:
        costs["cost_flops"] = whole
    if results:
        costs["peak_memory_gib"] = max(result.get("peak_memory_gib", 0.0) for result in results)
        costs["threads_per_rank"] = max(result.get("threads", 0) for result in results)
        costs |= _arithmetic(fresh, results, facts)
    return costs


def startup(rows: pa.Table, name: str) -> float | None:
    """How much of the rows' `seconds` or `device_seconds` (`name`) is start-up; None where a row does not tell."""
    column = f"startup_{name}"
    if len(rows) and (column not in rows.column_names or rows[column].null_count):
        return None
    return total(rows, column)


def measuring(rows: pa.Table, name: str) -> float | None:
    """What of them is not start-up."""
    loading = startup(rows, name)
    return None if loading is None else total(rows, name) - loading


def tokens(rows: pa.Table) -> dict[str, int]:
    """Tokens of the rows: computed forward (given texts and, before a generation, prompts; padding included, the shared
    prefix and the last token of each text not), of these padding, saved by the prefix, and generated."""
    return {
        "forward_tokens": _forced(rows) + _prompts(rows),
        "padded_tokens": total(rows, "padded_tokens"),
        "prefix_tokens": total(rows, "prefix_tokens"),
        "generated_tokens": total(rows, "generated_tokens"),
    }


def flops(rows: pa.Table, facts: Mapping[str, Any]) -> float | None:
    """Operations of measuring the rows: 2 for each weight that a token meets; None where the weights or the length of a
    row are not known.

    The last layer's parts and the head at target tokens alone, as they are computed; a generation is its prompt and all
    its tokens but the last through the body, and the head for each of its tokens, without padding.
    """
    if "body_weights" not in facts or "num_tokens" not in rows.column_names or rows["num_tokens"].null_count:
        return None
    generated = total(rows, "generated_tokens")
    made = facts["body_weights"] * (_prompts(rows) + generated) + facts["head_weights"] * generated
    if "num_target_tokens" not in rows.column_names:
        return 2.0 * made
    forced = facts["token_weights"] * _forced(rows) + facts["target_weights"] * total(rows, "num_target_tokens")
    return 2.0 * (forced + made)


def _forced(rows: pa.Table) -> int:
    """Tokens of given texts that were computed: all but the last of each, what the prefix saved, and padding."""
    if "num_target_tokens" not in rows.column_names:
        return 0
    return _but_the_last(rows) - total(rows, "prefix_tokens") + total(rows, "padded_tokens")


def _prompts(rows: pa.Table) -> int:
    """Tokens of the prompts that were read before a generation, but one each: generated tokens are given back to the
    model up to the last but one, so that prompts and generated tokens add up to what was computed."""
    return _but_the_last(rows) - total(rows, "num_target_tokens") if total(rows, "generated_tokens") else 0


def _but_the_last(rows: pa.Table) -> int:
    if "num_tokens" not in rows.column_names:
        return 0
    return total(rows, "num_tokens") - len(rows) + rows["num_tokens"].null_count


def _arithmetic(fresh: pa.Table, results: Sequence[dict[str, Any]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Operations of the measured rows, and which share of the ranks' matrix rate they reached while they measured."""
    operations = flops(fresh, facts)
    if operations is None:
        return {}
    if "matrix_flops_per_s" not in results[0]:
        return {"flops": operations}
    rate, seconds = sum(result["matrix_flops_per_s"] for result in results), measuring(fresh, "seconds")
    return {
        "flops": operations,
        "matrix_flops_per_s": rate,
        "share_of_matrix_rate": operations / (seconds * rate) if seconds else None,
    }
