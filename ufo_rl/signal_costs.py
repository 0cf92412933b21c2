"""What a signal cost: when it was measured, in this run, and what it would have cost where it was found stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers do not see them
TIMES = ("seconds", "device_seconds")
TOKENS = ("num_tokens", "prefix_tokens", "padded_tokens", "num_target_tokens", "generated_tokens")


def account(found: pa.Table, stored: Collection[str], results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """found: the pool's rows; stored: the keys that were there before; results: of the ranks that measured the rest.

    num_* count prompts, of pass rates samples; names with cost_ speak of the whole pool when it was measured, the others
    of what this run computed. Seconds are wall time, device seconds those of all ranks together.
    """
    fresh = found.filter(pc.invert(pc.is_in(found["key"], value_set=pa.array(list(stored), pa.string()))))
    costs: dict[str, Any] = {
        "num_scored": len(fresh),
        "num_cached": len(found) - len(fresh),
        **tokens(fresh),
        **{f"cost_{name}": total(found, name) for name in TIMES},
        **{f"cost_{key}": value for key, value in tokens(found).items()},
    }
    if results:
        costs["peak_memory_gib"] = max(result["peak_memory_gib"] for result in results)
    return costs | _arithmetic(fresh, results)


def total(table: pa.Table, column: str) -> Any:
    """Sum of a column; 0 where it is missing or empty."""
    return (pc.sum(table[column]).as_py() or 0) if column in table.column_names else 0


def tokens(rows: pa.Table) -> dict[str, int]:
    """Tokens of the rows: computed forward (padding included, the last of each text and the shared prefix not), of
    these padding, saved by the prefix, and generated."""
    prefix, padded = total(rows, "prefix_tokens"), total(rows, "padded_tokens")
    own = total(rows, "num_tokens") - (len(rows) if "num_tokens" in rows.column_names else 0)
    return {
        "forward_tokens": own - prefix + padded,
        "padded_tokens": padded,
        "prefix_tokens": prefix,
        "generated_tokens": total(rows, "generated_tokens"),
    }


def _arithmetic(fresh: pa.Table, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Operations of the measured rows, and which share of the ranks' matrix rate they reached (start included)."""
    if not results or "token_weights" not in results[0]:
        return {}
    per_token, per_target = results[0]["token_weights"], results[0]["target_weights"]
    flops = 2.0 * (per_token * tokens(fresh)["forward_tokens"] + per_target * total(fresh, "num_target_tokens"))
    rate, seconds = sum(result["matrix_flops_per_s"] for result in results), total(fresh, "seconds")
    return {"flops": flops, "matrix_flops_per_s": rate, "share_of_matrix_rate": flops / (seconds * rate)}
