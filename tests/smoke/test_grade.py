"""`ufo-rl grade` as a process."""

from __future__ import annotations

import signal

import pytest

from tests.conftest import Ufo
from tests.unit.test_grade_file import HANGS, LIMIT, ROWS, cells, write
from tests.waiting import BACKSTOP_S, wait_until

pytestmark = pytest.mark.smoke


def test_the_command_line(ufo: Ufo) -> None:
    write(ufo.folder / "rows.jsonl", ROWS[:2])
    assert cells(ufo.run("grade", "rows.jsonl"), "rows.jsonl")[:2] == ["2", "2"]
    output = ufo.run("grade", "rows.jsonl", "--gold", "answer", status=2)
    assert "ufo-rl: --gold answer" in output and "Traceback" not in output
    usage = ufo.run("grade", "-h")
    assert all(flag in usage for flag in ("--gold COLUMN", "--completion COLUMN", "--out FILE", "--audit GRADER"))


@pytest.mark.soak
def test_ctrl_c_leaves_nothing_half_written(ufo: Ufo) -> None:
    write(
        ufo.folder / "rows.jsonl",
        [{"gold": "7", "completion": HANGS.replace("}}}}", f"}}}}}}+{n}}}")} for n in range(99)],
    )
    process = ufo.start("grade", "rows.jsonl", "--out", "out.jsonl", LIMIT)
    assert wait_until(lambda: list(ufo.folder.glob(".out.jsonl.*.tmp")))
    assert [path.suffix for path in ufo.folder.glob(".out*")] == [".tmp"]
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=BACKSTOP_S)
    assert process.returncode == 130 and "nothing was written" in output and "Traceback" not in output
    assert [path.name for path in ufo.folder.iterdir()] == ["rows.jsonl"]
