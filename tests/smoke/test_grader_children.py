"""The grader's child processes end with whoever started them, and are replaced when others end them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests.unit.test_grader import HANGS
from tests.verifier_children import ends, pids
from tests.waiting import wait_until
from ufo_rl.grader.math import trl_reward
from ufo_rl.grader.math.process.verifier import Verifier

pytestmark = pytest.mark.smoke


PARENT = f"""
import sys
from tests.verifier_children import pids
from ufo_rl.grader.math.process.verifier import Verifier
verifier = Verifier(time_limit_s=float(sys.argv[1]), num_children=1)
verifier.verify("2x", "x+x")
print(pids(verifier)[0], flush=True)
if len(sys.argv) > 2:
    verifier.verify("7", r"{HANGS}")
"""


@pytest.mark.soak
def test_a_busy_child_ends_soon_after_its_killed_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT, "2", "hang"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert ends(pid)


STOPPED = """
from ufo_rl.grader.math.process import verifier
verifier.backstop = lambda time_limit_s: 3.0
made = verifier.Verifier(time_limit_s=2, num_children=1, other="slow:judge")
made.start()
print(made.children[0].process.pid, flush=True)
print(made.verify("", ""))
"""


@pytest.mark.soak
def test_a_suspended_machine_is_no_stall(tmp_path: Path):
    """Both stopped, as by a closed lid or Ctrl-Z, for longer than the backstop, in the middle of a question."""
    slow = "import time\ndef judge(gold, completion):\n    open('asked', 'a').write('x')\n    time.sleep(1)\n    return True\n"
    (tmp_path / "slow.py").write_text(slow)
    parent = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout is not None
    both = int(parent.stdout.readline()), parent.pid
    assert wait_until((tmp_path / "asked").is_file)
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(4)
    for pid in both:
        os.kill(pid, signal.SIGCONT)
    output, _ = parent.communicate()
    assert output == "Verdict(equal=True, reason='', method='slow:judge')\n"
    assert (tmp_path / "asked").read_text() == "x"


def test_the_child_ends_when_the_parent_exits():
    output = subprocess.run([sys.executable, "-c", PARENT, "600"], capture_output=True, text=True, check=True)
    assert ends(int(output.stdout))


def test_killed_children_are_replaced_and_no_verdict_is_lost():
    verifier = Verifier(time_limit_s=10, num_children=2)
    questions = [(f"{n}x", f"{n - 1}x+x" if n % 2 else f"{n}x+1") for n in range(1500)]
    with ThreadPoolExecutor(4) as threads:
        verdicts = [threads.submit(verifier.verify, *question) for question in questions]
        random = Random(0)
        for kill in range(10):  # the first while they start, the others at work
            while sum(verdict.done() for verdict in verdicts) < 50 * kill or not (running := pids(verifier)):
                time.sleep(0.001)
            os.kill(random.choice(running), signal.SIGKILL)
        assert not all(verdict.done() for verdict in verdicts)
        found = [verdict.result() for verdict in verdicts]
    assert [v.equal for v in found] == [n % 2 == 1 for n in range(1500)]
    assert not any(v.reason for v in found)
    assert verifier.verify("2x", "x+x").equal
    last = pids(verifier)
    verifier.close()
    assert 1 <= len(last) <= 2 and all(ends(pid) for pid in last)


AT_EXIT = """
from tests.verifier_children import pids
from ufo_rl.grader.math import math_reward, trl_reward
import os
assert math_reward(completions=["so \\\\boxed{x+x}"], solution=["2x"]) == [1.0]
print(pids(trl_reward._grader(os.getpid())._verifier)[0])
"""


def test_one_grader_for_a_process_whose_children_end_with_it() -> None:
    assert trl_reward._grader(1) is trl_reward._grader(1)
    assert pids(trl_reward._grader(1)._verifier) == []
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=True)
    assert ends(int(done.stdout))
