"""The parent's side of the fork server: stages that start in a fraction of a second, from the second on."""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ufo_rl.launch.program import program


class Forked:
    """The first process of a forked stage, as subprocess.Popen shows a started one: pid, returncode, poll, wait."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server, self.pid, self.returncode = server, pid, None

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; subprocess.TimeoutExpired where it still runs after `timeout` seconds."""
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("stage", timeout or 0.0)
        return status

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            self.returncode = self.server.exit_status(seconds)
        return self.returncode


class ForkServer:
    """One server process, for one stage at a time (`is_busy`). Its output, such as a failing import, goes to the log of the
    stage that starts it."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.environment = dict(environment)
        self.channel, its = socket.socketpair()
        with its, log.open("a") as output:
            self.process = subprocess.Popen(
                [*program("ufo_rl.launch.fork_server"), str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self.environment,
                pass_fds=[its.fileno()],
            )
        self.is_busy, self.last_status = False, 0
        atexit.register(self.close)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether a stage of it is what a process started now would be."""
        return self.process.poll() is None and self.environment == environment

    def start(self, request: Path, num_ranks: int, log: Path, soon: Sequence[str]) -> Forked | None:
        """A stage; None where the server is no more. An interrupt ends it: nobody would read its answer."""
        command = {
            "request": str(request),
            "num_ranks": num_ranks,
            "log": str(log),
            "folder": os.getcwd(),
            "soon": list(soon),
        }
        try:
            self.channel.sendall((json.dumps(command) + "\n").encode())
            word, number = self._answer()
        except OSError:
            return None
        except BaseException:
            self.close()
            raise
        self.is_busy = word == "pid"
        return Forked(self, number) if self.is_busy else None

    def exit_status(self, seconds: float | None) -> int | None:
        """Of the stage that runs, waited for so long, or of the last one; the server's own where that has died, and the stage
        with it. An interrupt ends both: it may have come between an answer and its being known."""
        if not self.is_busy:
            return self.last_status
        try:
            if not select.select([self.channel], [], [], seconds)[0]:
                return None
            word, number = self._answer()
            self.last_status = number if word == "exit" else self.process.wait()
            self.is_busy = False
        except BaseException:
            self.close()
            raise
        return self.last_status

    def close(self) -> None:
        """End the server, and with it a stage that it may run."""
        self.channel.close()
        self.process.kill()
        status = self.process.wait()
        if self.is_busy:
            self.last_status, self.is_busy = status, False
        atexit.unregister(self.close)

    def _answer(self) -> tuple[str, int]:
        """The next line, byte by byte: what a buffer had read ahead, `select` would not see. "" from a dead server."""
        line = b""
        try:
            while not line.endswith(b"\n") and (byte := self.channel.recv(1)):
                line += byte
        except ConnectionResetError:  # it died with a command unread
            return "", 0
        word, _, number = line.decode().partition(" ")
        return (word, int(number)) if number else ("", 0)


_servers: list[ForkServer] = []  # one at most


def start_forked(
    environment: Mapping[str, str],
    request: Path,
    num_ranks: int,
    log: Path,
    soon: Sequence[str] = (),
) -> Forked | None:
    """A stage with this environment, forked from a server that is started if none fits. The server imports the modules of
    `soon` while the stage runs, before it where the stage itself needs them.

    None where that fails or may not be: a stage runs already, or this is a thread, with which the kernel would end the
    server.
    """
    if threading.current_thread() is not threading.main_thread() or (_servers and _servers[0].is_busy):
        return None
    if _servers and not _servers[0].fits(environment):
        forget()
    if not _servers:
        _servers.append(ForkServer(environment, log))
    return _servers[0].start(request, num_ranks, log, soon)


def forget() -> None:
    """End the server; the next stage starts another."""
    while _servers:
        _servers.pop().close()
