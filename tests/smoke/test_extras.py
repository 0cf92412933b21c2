"""The extras of the package, each and all together, can be installed beside what it needs itself."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ufo_rl

pytestmark = [pytest.mark.smoke, pytest.mark.soak]
ROOT = Path(ufo_rl.__file__).resolve().parents[1]
EXTRAS = [
    name
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    if name != "dev"
]
# What each brings, as it is pinned.
BRINGS = {
    "vllm": "vllm",
    "slurm": "hydra-submitit-launcher",
    "lora": "peft",
    "gguf": "gguf",
    "dashboard": "wandb-workspaces",
}


@pytest.mark.parametrize("extras", [*([name] for name in EXTRAS), EXTRAS], ids=",".join)
def test_extras_resolve(tmp_path: Path, extras: list[str]) -> None:
    """pip's own resolver, as on an empty machine; nothing is installed."""
    report = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
        "--report",
        str(report),
    ]
    done = subprocess.run([*command, f"{ROOT}[{','.join(extras)}]"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {
        one["metadata"]["name"].lower(): one["metadata"]["version"] for one in json.loads(report.read_text())["install"]
    }
    assert {BRINGS[name] for name in extras} <= found.keys()
    assert found["torch"].startswith("2.13.0") and found["trl"] == "1.16.0"
    assert found["transformers"].split(".")[:2] >= ["5", "19"]
    if "vllm" in extras:
        assert found["vllm"] == "0.32.0" and found["transformers"].startswith("5.19.")
