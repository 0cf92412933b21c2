"""The program `ufo_rl.launch.fork_server FD`: a process that has torch and transformers imported and forks ranks.

These imports are most of a short stage, and every stage has processes of its own. Commands come over the socket FD,
one JSON object a line (request, num_ranks, log, folder to be in, `soon`: modules that this or
a later stage of the command needs). Answers: `pid N` by the first process of the stage once it
leads its own process group, `exit N` when that has ended (negative: by a signal). The server ends with its socket.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ufo_rl.launch.program import program
from ufo_rl.launch.request import module_of
from ufo_rl.launch.start import ASIDE, DIED, PARENT
from ufo_rl.launch.worker import address, die_with, serve

NICE = 10
_failed: set[str] = set()  # modules that could not be imported ahead


def main() -> None:
    # schedulers send it to every process of a job: the ranks would end with the server, whatever they have to save
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with(int(os.environ[PARENT]))
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    # libraries ask torch for a GPU while they are imported; asked so, torch does not start CUDA, which a fork could not use
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    gc.disable()  # a quarter of the time of these imports would go into looking for garbage
    _import_heavy()
    gc.enable()
    server, commands, ahead = os.getpid(), channel.makefile("r"), None
    while line := commands.readline():
        command = json.loads(line)
        if ahead is not None:
            ahead.join()  # a lock that another thread holds at a fork is never released there
        if module_of(json.loads(Path(command["request"]).read_text())["rank"]) in command["soon"]:
            _import(command["soon"])
        gc.freeze()  # what a rank never looks at stays shared memory
        if pid := os.fork():
            ahead = _import_ahead(command["soon"])
            _, status = os.waitpid(pid, 0)
            channel.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with(server)
            _lead_group(command)
            channel.sendall(f"pid {os.getpid()}\n".encode())
            commands.close()
            channel.close()  # the parent sees the server's end by it
            if is_spoiled():
                words = program("ufo_rl.launch.worker")
                os.execv(words[0], [*words, command["request"]])
            _run(Path(command["request"]), command["num_ranks"])
            return


def is_spoiled() -> bool:
    """Whether a library has started CUDA in the server after all: no fork can use a GPU then, a fresh process can."""
    import torch

    return torch.cuda._is_in_bad_fork()


def _import_heavy() -> None:
    """What every rank with a model needs. Nothing is computed: threads and devices do not survive a fork."""
    import torch  # noqa: F401
    import transformers.models.auto.modeling_auto
    import transformers.models.auto.tokenization_auto  # noqa: F401


def _import_ahead(modules: Sequence[str]) -> threading.Thread | None:
    """Import what a later stage needs while this one runs, on time that it leaves."""
    if all(name in sys.modules for name in modules):
        return None
    thread = threading.Thread(target=_import, args=(modules, NICE))
    thread.start()
    return thread


def _import(modules: Sequence[str], nice: int = 0) -> None:
    if nice:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)  # on Linux that of this thread alone
    with _unheard() as log:
        for name in modules:
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:  # the stage that needs it fails by itself, and says so
                if name not in _failed:
                    os.write(log, f"{ASIDE}{name} cannot be imported ahead: {type(error).__name__}: {error}\n".encode())
                _failed.add(name)


@contextmanager
def _unheard() -> Iterator[int]:
    """What libraries print meanwhile does not reach the log, which is another stage's: its last line says why that failed.
    Yields where the log can be written to."""
    log, nothing = [os.dup(number) for number in (1, 2)], os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nothing, number)
    try:
        yield log[0]
    finally:
        for number, kept in zip((1, 2), log, strict=True):
            os.dup2(kept, number)
        for one in (*log, nothing):
            os.close(one)


def _lead_group(command: dict[str, Any]) -> None:
    """What subprocess.Popen does for a process that is started for a stage."""
    os.setsid()
    os.chdir(command["folder"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)


def _run(request: Path, num_ranks: int) -> None:
    """Be the only rank, or fork all and end with the first that fails; the parent ends the process group then. For one host
    that is what torch.distributed.run does, whose ranks would import everything again."""
    if num_ranks == 1:
        _be_rank(request, {})
        return
    places = {"WORLD_SIZE": num_ranks, "LOCAL_WORLD_SIZE": num_ranks, **address()}
    agent, ranks = os.getpid(), dict[int, int]()
    for rank in range(num_ranks):
        if pid := os.fork():
            ranks[pid] = rank
        else:
            die_with(agent)
            _be_rank(request, {**places, "RANK": rank, "LOCAL_RANK": rank})
            return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it reached the ranks too, which may have something to save
    for _ in range(num_ranks):
        pid, status = os.wait()
        if status != 0:
            code = os.waitstatus_to_exitcode(status)
            if os.WIFSIGNALED(status):
                sys.stderr.write(f"rank {ranks[pid]}{DIED}{signal.Signals(os.WTERMSIG(status)).name}\n")
                sys.stderr.flush()
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.kill(os.getpid(), os.WTERMSIG(status))
            sys.exit(code)


def _be_rank(request: Path, place: dict[str, Any]) -> None:
    import numpy as np
    import torch

    os.environ.update({name: str(value) for name, value in place.items()})
    np.random.seed()  # as in a process of its own; Python's own generator does so at a fork
    torch.default_generator.seed()  # that of the CPU alone: torch.seed() would start CUDA
    serve(request)
