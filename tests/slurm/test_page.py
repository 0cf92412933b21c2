"""The first command of docs/slurm.md, as it stands there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.conftest import Ufo
from tests.slurm.conftest import Slurm

PAGE = Path(__file__).parents[2] / "docs/slurm.md"


def test_the_pages_first_command_runs(tmp_path: Path, slurm: Slurm) -> None:
    command = re.findall(r"^    ufo-rl (.*)$", PAGE.read_text(), flags=re.M)[0]
    ufo = Ufo(tmp_path)
    ufo.environment |= slurm.environment
    output = ufo.run(*shlex.split(command), "tracker=off")
    assert " 4 submitted, 0 adopted" in output and "4 jobs: 4 completed" in output
    records = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/sweeps/dev/*/slurm.json")]
    assert sorted(record["job"].partition("_")[2] for record in records) == ["0", "1", "2", "3"]
