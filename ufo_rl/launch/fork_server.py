"""`python -m ufo_rl.launch.fork_server FD`: a process that has torch and transformers imported and forks ranks.

On a CPU these imports are most of a short stage, and every stage has processes of its own. Commands come over the socket FD,
one JSON object a line (request, num_ranks, log, folder to be in). Answers: `pid N` by the first process of the stage once it
leads its own process group, `exit N` when that has ended (negative: by a signal). The server ends with its socket.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from ufo_rl.launch.worker import address, die_with_starter, serve


def main() -> None:
    die_with_starter()
    channel = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()  # a quarter of the time of these imports would go into looking for garbage
    _import_heavy()
    gc.freeze()  # what a rank never looks at stays shared memory
    gc.enable()
    with channel.makefile("r") as commands:
        while line := commands.readline():
            if pid := os.fork():
                _, status = os.waitpid(pid, 0)
                channel.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
            else:
                _be_stage(json.loads(line), channel)
                return


def _import_heavy() -> None:
    """What every rank with a model needs. Nothing is computed: threads and devices do not survive a fork."""
    import torch  # noqa: F401
    import transformers.models.auto.modeling_auto
    import transformers.models.auto.tokenization_auto  # noqa: F401


def _be_stage(command: dict[str, Any], channel: socket.socket) -> None:
    """As if this process had been started for the stage: its rank, or the agent of several."""
    os.setsid()
    os.chdir(command["folder"])
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    channel.sendall(f"pid {os.getpid()}\n".encode())
    channel.close()
    request, num_ranks = Path(command["request"]), command["num_ranks"]
    if num_ranks == 1:
        serve(request)
    else:
        _be_agent(request, num_ranks)


def _be_agent(request: Path, num_ranks: int) -> None:
    """Fork the ranks; the first that fails ends the others. What torch.distributed.run does for one host, whose ranks
    would import everything again."""
    die_with_starter()  # before it has threads: they do not survive a fork
    places = {"WORLD_SIZE": num_ranks, "LOCAL_WORLD_SIZE": num_ranks, **address()}
    ranks = set()
    for rank in range(num_ranks):
        if pid := os.fork():
            ranks.add(pid)
        else:
            os.environ.update(
                {name: str(value) for name, value in {**places, "RANK": rank, "LOCAL_RANK": rank}.items()}
            )
            serve(request)
            return
    while ranks:
        pid, status = os.wait()
        ranks.discard(pid)
        if status != 0:
            for other in ranks:
                os.kill(other, signal.SIGKILL)
            if os.WIFSIGNALED(status):
                os.kill(os.getpid(), os.WTERMSIG(status))
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
