"""Runs as W&B's server has them. Asking it has never been tried: there was no server."""

from __future__ import annotations

from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.tracking.mode import has_key, reason

MAX_RUNS = 10_000


def runs_of(project: str, group: str | None) -> list[dict[str, Any]]:
    """id, name, state, created, config and summary of the runs of ENTITY/PROJECT, of one group or all. UserError without
    a key, and
    where the server refuses."""
    if not has_key():
        raise UserError("compare --wandb: no W&B key; run `wandb login`, or set WANDB_API_KEY")
    import wandb

    try:
        found = wandb.Api().runs(project, filters={"group": group} if group else {}, per_page=200)
        return [
            {"id": run.id, "name": run.name, "state": run.state, "created": str(run.created_at)}
            | {"config": dict(run.config), "summary": dict(run.summary)}
            for run in found[:MAX_RUNS]
        ]
    except Exception as error:  # the network, the project, the key: W&B says what
        raise UserError(f"compare --wandb {project}: W&B refused ({reason(error)})") from error
