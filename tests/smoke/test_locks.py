"""Files under processes that are killed or wait for each other."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ufo_rl.files.atomic import locked, manifest, publish

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
        "import sys, time; from pathlib import Path; from ufo_rl.files.atomic import locked\n"
        "with locked(Path(sys.argv[1]), 'x'):\n    print('held', flush=True); time.sleep(1.5)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    began = time.monotonic()
    with locked(tmp_path / "lock", "the test"):
        waited = time.monotonic() - began
    assert waited > 0.5
    assert holder.wait() == 0
