"""How Python is started for a rank: nothing of the folder of the start stands before Python's own modules and the installed
ones, so that a file of the user's named like one (datasets.py, random.py) is in nobody's way. His packages are found last of
all, by `find_from_here`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import ufo_rl

HOME = str(Path(__file__).resolve().parents[2])  # the folder that ufo_rl lies in


def program(module: str) -> list[str]:
    """The words that run `main` of a module of ours."""
    return [
        sys.executable,
        "-P",
        "-c",
        f"{ufo_rl.load_words()}; sys.path.append({HOME!r}); from {module} import main; main()",
    ]


def search() -> dict[str, str]:
    """The variables by which what a rank starts itself looks for modules in the same way."""
    here = os.getcwd()
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [path for path in given if path and os.path.abspath(path) != here]
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(kept)}
