"""Files under processes that are killed or wait for each other."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ufo_rl.files.atomic import is_held, locked, manifest, publish
from ufo_rl.report.disk.how_far import state_of

pytestmark = pytest.mark.smoke


def test_a_killed_publication_is_cleared_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from ufo_rl.files.atomic import publish\n"
        "with publish(Path(sys.argv[1])) as (t, c):\n    (t / 'half').write_text('x'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=False).returncode == 9
    assert manifest(tmp_path / "out") is None and len(list(tmp_path.iterdir())) == 1
    with publish(tmp_path / "out"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_lock_makes_the_second_wait(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ufo_rl.files.atomic import locked\n"
        "with locked(Path(sys.argv[1]), 'x'):\n    print('held', flush=True); sys.stdin.read()"
    )
    lock, pipe = tmp_path / "lock", subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdin=pipe, stdout=pipe, text=True)
    assert holder.stdin is not None and holder.stdout is not None and holder.stdout.readline() == "held\n"
    is_let_go: list[bool] = []

    def second() -> None:
        with locked(lock, "the test"):
            is_let_go.append(holder.stdin.closed)

    thread = threading.Thread(target=second)
    thread.start()
    time.sleep(0.3)  # time enough to go wrong in
    holder.stdin.close()
    thread.join()
    assert is_let_go == [True]
    assert holder.wait() == 0


def test_running_is_who_holds_the_lock(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ufo_rl.files.atomic import locked\n"
        "with locked(Path(sys.argv[1]), 'x'):\n    print('held', flush=True); sys.stdin.read()"
    )
    lock, pipe, running = tmp_path / ".lock", subprocess.PIPE, {"state": "running", "host": socket.gethostname()}
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert is_held(lock) and state_of(tmp_path, running).name == "running"
        holder.kill()
    assert not is_held(lock) and state_of(tmp_path, running).name == "stale"
    with locked(lock, "x"):  # looking takes nothing away
        assert is_held(lock)
    assert not is_held(tmp_path / "no such file")
