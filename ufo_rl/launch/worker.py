"""A rank of a stage: reads the request that the parent wrote, runs the stage, writes its result. No Hydra here."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import write_json
from ufo_rl.files.hub_access import quiet_requests
from ufo_rl.files.journal import STARTUP, Journal
from ufo_rl.launch.place import Place, is_on_cpu, own_device
from ufo_rl.launch.program import program
from ufo_rl.launch.rank_context import RankContext
from ufo_rl.launch.request import Request, function_at
from ufo_rl.launch.start import PARENT

PR_SET_PDEATHSIG = 1  # Linux, <sys/prctl.h>
WATCH_S = 1.0


def main() -> None:
    """The words of the command: REQUEST [NODE_RANK]."""
    serve(Path(sys.argv[1]), *map(int, sys.argv[2:]))


def serve(path: Path, node_rank: int = 0) -> None:
    """Be the agent that starts a host's ranks of a request, or, under it, one rank. Exits where the rank fails."""
    die_with_parent()
    request = Request.read(path)
    if request.launch.num_ranks > 1 and "RANK" not in os.environ:
        _start_ranks(request, path, node_rank)
        return
    if request.launch.num_ranks == 1:
        _be_alone()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    quiet_requests()
    result_path = request.work / f"result-{os.environ['RANK']}.json"
    try:
        result = run(request)
    except UserError as error:
        write_json(result_path, {"problems": error.problems})
        sys.exit(2)
    except Exception as error:
        write_json(result_path, {"error": f"{type(error).__name__}: {error}"})
        raise
    write_json(result_path, result)


def run(request: Request) -> dict[str, Any]:
    """The stage's function, with this rank's place; how many threads compute is added to what it returns. The device is
    chosen before torch is imported."""
    if os.environ["RANK"] == "0":
        Journal(request.journal, request.stage, request.attempt).phase(STARTUP, "loading libraries")
    if request.owns_device and not is_on_cpu(request.launch):
        os.environ.update(own_device(os.environ))
    context = RankContext(request, Place.from_environment(request.launch.device))
    function_at(request.rank)  # most of a start, where it imports what trains
    context.phase(STARTUP, "loading the model")
    result = request.call(context)
    import torch

    return {"threads": torch.get_num_threads(), **result}


def _start_ranks(request: Request, path: Path, node_rank: int) -> None:
    from torch.distributed.run import main as start_ranks

    launch = request.launch
    place = ["--standalone", "--local-addr=127.0.0.1"]
    if launch.num_nodes > 1:
        place = [
            f"--nnodes={launch.num_nodes}",
            f"--node-rank={node_rank}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={launch.rendezvous}",
            f"--rdzv-id={request.asked}",
        ]
    per_node = f"--nproc-per-node={launch.num_ranks // launch.num_nodes}"
    start_ranks([*place, per_node, "--no-python", *program("ufo_rl.launch.worker"), str(path)])


def die_with_parent() -> None:
    """End this process when its parent or the run's parent dies, even by kill -9.

    The kernel's death signal covers Linux; the watching thread covers the rest, and ranks below an agent.
    """
    die_with(os.getppid())
    parent = int(os.environ[PARENT])
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def die_with(starter: int) -> None:
    """On Linux the kernel ends this process when the one that started it ends, or has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:
            os._exit(1)


def _watch(parent: int) -> None:
    while is_alive(parent):
        time.sleep(WATCH_S)
    os._exit(1)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead but not yet collected by its own parent counts as dead."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] if sys.platform == "linux" else ""
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state not in ("Z", "X")


def _be_alone() -> None:
    """The variables that torch.distributed.run would set for one rank: an agent more would cost seconds a stage."""
    os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", LOCAL_WORLD_SIZE="1", **address())


def address() -> dict[str, str]:
    """Where the ranks of one host meet: a free port."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
