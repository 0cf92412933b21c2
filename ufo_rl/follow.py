"""The other hosts of a run: each starts its share of the ranks for every stage that the first host begins.

The same command is given on every host (a launcher such as SLURM's does it), apart from launch.node_rank; the run folder
lies on a file system that all of them see. torch's rendezvous brings the ranks together; nothing else is exchanged.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ufo_rl.config import Launch
from ufo_rl.launch import run_agent

log = logging.getLogger(__name__)
POLL_S = 0.5
PATIENCE_S = 120.0  # how long a run that had ended before may stay as it is until it counts as not started again


def follow(folder: Path, launch: Launch) -> str:
    """Serve the stages of the run in `folder` until it ends; returns its last state.

    Only what happens after the call counts: an older status or request of the same folder is an earlier attempt's.
    """
    began = time.time()
    log.info("node %d of %d: waiting for the stages of %s", launch.node_rank, launch.num_nodes, folder)
    served: set[float] = set()
    while True:
        for request in _requests(folder):
            if request["asked"] >= began and request["asked"] not in served:
                served.add(request["asked"])
                log.info("%s: joining with %d ranks", request["stage"], launch.num_ranks // launch.num_nodes)
                run_agent(request["stage"], Path(request["work"]) / "request.json", folder, launch)
        state, at = _status(folder)
        is_over = state in ("completed", "failed")
        if is_over and (at >= began or time.time() - began > PATIENCE_S):
            log.info("the run is %s", state)
            return state
        time.sleep(POLL_S)


def _requests(folder: Path) -> Iterator[dict[str, Any]]:
    for path in folder.glob(".work/*/request.json"):
        with suppress(OSError, ValueError):  # removed, or replaced at this moment
            yield json.loads(path.read_text())


def _status(folder: Path) -> tuple[str, float]:
    path = folder / "status.json"
    with suppress(OSError, ValueError):
        return str(json.loads(path.read_text()).get("state")), path.stat().st_mtime
    return "", 0.0
