"""How the program starts and ends: what lies in the folder of the start shadows nothing, Ctrl-C at any moment is no traceback,
and neither a closed pipe nor a narrow encoding loses what was done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Ufo
from tests.waiting import BACKSTOP_S

pytestmark = pytest.mark.smoke
SHADOWS = ("datasets", "random", "torch", "json", "logging", "typing", "inspect", "numpy", "transformers", "re", "math")
PLUGIN = '''
class Last:
    """The order of the ids, backwards."""

    signals, keeps_all, columns = (), False, ("id",)

    def sort_key(self, columns):
        return [-int(one, 16) for one in columns["id"]]


def short(completions):
    return [float(len(text) < 9) for text in completions]
'''
OWN = (
    *("plugins=[own]", "selector=random", "selector._target_=own.Last", "selector.name=last"),
    *("+reward.parts.short._target_=own.short", "+reward.parts.short.weight=0.5", "ratio=20pct"),
)


@pytest.mark.soak
def test_a_sweep_in_folders_of_hydras_naming_where_modules_lie_in_the_way(ufo: Ufo) -> None:
    """Its own package is found there, in the parent and in the ranks; each folder is found again in the end."""
    for name in SHADOWS:
        (ufo.folder / f"{name}.py").write_text(f"raise RuntimeError('{name} is shadowed')\n")
    (ufo.folder / "own.py").write_text(PLUGIN)
    ufo.from_this_checkout_alone()
    ufo.environment["PYTHONPATH"] = os.pathsep.join([".", ufo.environment.get("PYTHONPATH", "")])
    named = (
        "hydra.sweep.dir=outputs/sweeps/${now:%s}",
        "hydra.sweep.subdir=${hydra.job.num}-${hydra.job.config_name}",
    )
    output = ufo.run(*ufo.SMALL, *OWN, "-m", *named, "seed=0,1")
    folders = sorted(ufo.folder.glob("outputs/sweeps/*/*/"))
    assert [json.loads((folder / "status.json").read_text())["state"] for folder in folders] == ["completed"] * 2
    assert [folder.name[:2] for folder in folders] == ["0-", "1-"] and "shadowed" not in output
    assert "last" in output and not list(ufo.folder.glob("outputs/.made-*"))


@pytest.mark.parametrize("arguments", [["selector=ufo", "ratio.value=2"], ["--help"], ["grade", "none.jsonl"]])
def test_ctrl_c_at_any_moment_of_the_start_is_no_traceback(ufo: Ufo, arguments: list[str]) -> None:
    """From the first line of ours on; what comes before is Python's own."""
    program = (
        "import sys; print('', flush=True); sys.argv = ['ufo-rl', *sys.argv[1:]]; from ufo_rl.cli import entry; entry()"
    )
    statuses = set()
    for milliseconds in (15, 40, 80, 130, 200, 300, 500):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=ufo.folder,
            env=ufo.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=BACKSTOP_S)
        is_pythons_own = "ufo_rl" not in output  # on a busy machine before our first line
        assert ("Traceback" not in output or is_pythons_own) and "Panic" not in output, output
        statuses.add(process.returncode)
    assert statuses <= {0, 2, 130, -signal.SIGINT} and statuses & {130, -signal.SIGINT}


def test_a_narrow_encoding_and_a_reader_that_leaves_lose_nothing(ufo: Ufo) -> None:
    (ufo.folder / "mine.jsonl").write_text(
        "".join(json.dumps({"gold": "½", "completion": f"<answer>{i}½</answer>"}) + "\n" for i in range(3))
    )
    words = [sys.executable, "-m", "ufo_rl.cli"]
    where = {"cwd": ufo.folder, "env": {**ufo.environment, "PYTHONIOENCODING": "ascii"}, "text": True, "check": False}
    refused = subprocess.run([*words, 'template.user="é"'], capture_output=True, **where)
    assert refused.returncode == 2 and 'template.user="\\xe9" has no {question}' in refused.stderr
    read, write = os.pipe()
    os.close(read)
    for arguments in (["--help"], ["grade", "mine.jsonl", "--out", "out.jsonl"]):
        done = subprocess.run([*words, *arguments], stdout=write, stderr=subprocess.PIPE, **where)
        assert done.returncode == 0 and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    os.close(write)
    assert len((ufo.folder / "out.jsonl").read_text().splitlines()) == 3


def test_a_gpu_that_is_not_there_is_missed_at_once(ufo: Ufo) -> None:
    for arguments in (["launch.device=cuda"], ["evaluate", "launch.device=cuda"], ["doctor", "launch.device=cuda"]):
        output = ufo.run(*arguments, status=2, CUDA_VISIBLE_DEVICES="")
        assert 'launch.device=cuda: CUDA_VISIBLE_DEVICES="" hides every GPU' in output
    assert not (ufo.folder / "outputs").exists()


def test_a_package_that_is_installed_too_is_told(ufo: Ufo) -> None:
    (ufo.folder / "installed/own").mkdir(parents=True)
    (ufo.folder / "installed/own/__init__.py").write_text("")
    (ufo.folder / "own.py").write_text(PLUGIN)
    output = ufo.run(*OWN, status=2, PYTHONPATH=os.pathsep.join([str(ufo.folder / "installed"), *_path(ufo)]))
    assert f"which hides {ufo.folder}/own.py: rename yours, or uninstall the other" in output
    assert str(Path("installed/own/__init__.py")) in output and "Traceback" not in output


def _path(ufo: Ufo) -> list[str]:
    ufo.from_this_checkout_alone()
    return [path for path in ufo.environment.get("PYTHONPATH", "").split(os.pathsep) if path]
