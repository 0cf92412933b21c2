"""The built wheel, without the checkout, from an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ufo_rl
from tests.conftest import Ufo

pytestmark = pytest.mark.smoke
ROOT = Path(ufo_rl.__file__).resolve().parents[1]


@pytest.mark.soak
def test_the_wheel_runs_the_lab_from_an_empty_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("ufo_rl-*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True
    )
    empty.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-c", "import ufo_rl.config.folder as c; print(c.conf_folder())"],
        cwd=empty,
        text=True,
        capture_output=True,
        check=True,
        env=environment,
    ).stdout.strip()
    assert where == str(site / "ufo_rl/conf")
    done = subprocess.run(
        [str(site / "bin/ufo-rl"), *Ufo.SMALL, "selector=random"],
        cwd=empty,
        text=True,
        capture_output=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (empty / "outputs/runs/dev").iterdir()
    assert json.loads((folder / "status.json").read_text())["state"] == "completed"
    assert list(empty.iterdir()) == [empty / "outputs"]
