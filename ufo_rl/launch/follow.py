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

from ufo_rl.config.schema import Launch
from ufo_rl.launch.start import run_agent

log = logging.getLogger(__name__)
POLL_S = 0.5
PATIENCE_S = 120.0  # how long a run that had ended before may stay as it is until it counts as not started again


def follow(folder: Path, launch: Launch) -> str:
    """Serve the stages of the run in `folder` until it ends; returns its last state.

    A request is served while the first host waits for it, which shows by the file's changing time: an earlier attempt's
    lies still. An end counts when it is written while this host looks on, or stays for PATIENCE_S. No clocks of
    different hosts are compared.
    """
    log.info("node %d of %d: waiting for the stages of %s", launch.node_rank, launch.num_nodes, folder)
    first_seen: dict[float, float] = {}  # by request: the changing time of its file
    served: set[float] = set()
    at_start, began = _status(folder), time.monotonic()
    while True:
        for request, changed in _requests(folder):
            asked = request["asked"]
            if changed != first_seen.setdefault(asked, changed) and asked not in served:
                served.add(asked)
                log.info("%s: joining with %d ranks", request["stage"], launch.num_ranks // launch.num_nodes)
                run_agent(request["stage"], Path(request["work"]) / "request.json", folder, launch)
        status = _status(folder)
        is_news = status != at_start or time.monotonic() - began > PATIENCE_S
        if status[0] in ("completed", "failed", "interrupted") and is_news:
            log.info("the run is %s", status[0])
            return status[0]
        time.sleep(POLL_S)


def _requests(folder: Path) -> Iterator[tuple[dict[str, Any], float]]:
    for path in folder.glob(".work/*/request.json"):
        with suppress(OSError, ValueError):  # removed, or replaced at this moment
            yield json.loads(path.read_text()), path.stat().st_mtime


def _status(folder: Path) -> tuple[str, float]:
    path = folder / "status.json"
    with suppress(OSError, ValueError):
        return str(json.loads(path.read_text()).get("state")), path.stat().st_mtime
    return "", 0.0
