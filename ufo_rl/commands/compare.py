"""`ufo-rl compare`: arms side by side."""

from __future__ import annotations

import sys
from pathlib import Path

from ufo_rl.errors import UserError
from ufo_rl.report import compare

USAGE = "ufo-rl compare DIR...   the runs in these run or sweep folders, one row per arm"


def run(arguments: list[str]) -> int:
    if not arguments:
        raise UserError("compare: name at least one run or sweep folder, for example outputs/sweeps/dev")
    sys.stdout.write(compare([Path(a).expanduser() for a in arguments]) + "\n")
    return 0
