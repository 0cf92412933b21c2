"""What a run was made with: package versions, the state of the source tree, the machine."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
# nvidia-smi takes half a minute where it wakes eight GPUs on a busy machine, git on a disk far away too
LIMIT_S = 120.0
PACKAGES = (
    "ufo-rl",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "deepspeed",
    "datasets",
    "hydra-core",
    "omegaconf",
    "wandb",
    "math-verify",
    "vllm",
)


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Installed versions of the packages that decide results, or of some of them. ValueError for a package that is not
    among them: asked for elsewhere, it would silently never be told."""
    if unknown := [package for package in packages if package not in PACKAGES]:
        raise ValueError(f"environment.PACKAGES does not list {', '.join(unknown)}")
    found = {} if packages else {"python": platform.python_version()}
    for package in packages or PACKAGES:
        found[package] = _installed(package) or "not installed"
    return found


def _installed(package: str) -> str | None:
    for name in (package, f"{package}-cpu"):  # vLLM for CPUs is a distribution of its own
        with suppress(PackageNotFoundError):
            return version(name)
    return None


def git() -> dict[str, Any] | None:
    """Commit and dirty flag (None: git did not say) of the checkout that the package runs from; None for an installed
    wheel."""
    package = Path(__file__).resolve().parents[1]
    if not (package.parent / ".git").exists():
        return None
    commit = _output(["git", "-C", str(package), "rev-parse", "HEAD"])
    changes = _output(["git", "-C", str(package), "status", "--porcelain", "--untracked-files=no"])
    return None if commit is None else {"commit": commit, "dirty": None if changes is None else bool(changes)}


def hardware() -> dict[str, Any]:
    gpus = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return {
        "system": platform.platform(),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "gpus": gpus.splitlines() if gpus else [],
    }


def gpu_bytes() -> int | None:
    """Memory of the smallest GPU of this host; None where nvidia-smi names none."""
    said = (_output(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]) or "").split()
    return min(map(int, said)) * 2**20 if said and all(word.isdigit() for word in said) else None


# What drivers of GPUs that torch calls cuda leave: NVIDIA's, those of Tegra and of WSL, AMD's.
DEVICES = ("nvidia*", "nvhost-gpu", "nvgpu", "dxg", "kfd")


def why_no_gpu(folder: Path = Path("/dev")) -> str:
    """Why torch can surely use no GPU here, "" where it may; instant, without torch or a driver's program."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return f'CUDA_VISIBLE_DEVICES="{visible}" hides every GPU'
    if (_installed("torch") or "").endswith("+cpu"):
        return f"torch {_installed('torch')} is a build without CUDA"
    if sys.platform == "linux" and not any(next(folder.glob(name), None) for name in DEVICES):
        return f"this machine has no GPU (no {folder}/nvidia*)"
    return ""


def _cpu() -> str:
    """The name of the processor; Python's own platform module knows only its architecture on Linux."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _output(command: list[str]) -> str | None:
    """What the command prints; None where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        log.warning("%s says nothing within %.0f s; the run goes on as if it were not there", command[0], LIMIT_S)
        return None
    return done.stdout.strip() if done.returncode == 0 else None
