"""What processes import: nothing heavy before it is needed, and the user's parts without what his folder would shadow."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import ufo_rl

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["help"], ["grade", "-h"]])
def test_the_command_line_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from ufo_rl.cli import main; sys.argv = ['ufo-rl', *sys.argv[1:]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'trl', 'deepspeed', 'wandb', 'datasets', 'scipy', 'pyarrow'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_validation_imports_no_torch() -> None:
    code = (
        "import sys; from ufo_rl.cli import main; sys.argv = ['ufo-rl', 'ratio.value=2']\n"
        "assert main() == 2\nprint('HEAVY', sorted({'torch', 'transformers', 'trl', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_report_needs_no_heavy_package():
    program = (
        "import sys, ufo_rl.report\n"
        "assert not {'torch', 'transformers', 'wandb', 'matplotlib', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


ALONE = """
import sys
from ufo_rl.grader.math import MathGrader, math_reward
heavy = {"torch", "hydra", "omegaconf", "transformers", "trl", "sympy", "numpy", "math_verify"}
print(sorted(heavy & set(sys.modules)))
print(sorted({name.split(".")[1] for name in sys.modules if name.startswith("ufo_rl.")}))
"""


def test_importing_it_imports_nothing_heavy_and_no_other_room() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['grader', 'records']"]


def test_a_misspelt_field_ends_at_once_and_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from ufo_rl.cli import main\n"
        "sys.argv = ['ufo-rl', 'train.trl.importance_samplng_level=sequence']\n"
        "assert main() == 2\n"
        "print('HEAVY', sorted({'torch', 'transformers', 'trl', 'vllm'} & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # of the processor: the wall clock knows who else computes
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert 'did you mean "importance_sampling_level"?' in done.stderr


def test_plugins_beside_the_command_are_found_and_shadow_nothing(tmp_path: Path) -> None:
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab/__init__.py").write_text("")
    (tmp_path / "mylab/parts.py").write_text(
        "from ufo_rl.selector.full import Full as Mine\n\n\n"
        "def brevity(completions, **columns):\n    return [1.0 for _ in completions]\n"
    )
    for name in ("datasets", "hydra", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadowed')\n")
    program = (
        "import importlib.util, sys\n"
        "from ufo_rl.config.build import build\n"
        "assert all(path not in ('', sys.argv[1]) for path in sys.path)\n"
        "print(build({'_target_': 'mylab.parts.Mine'}, 'selector', ['mylab']).keeps_all)\n"
        "print(build({'_target_': 'mylab.parts.brevity'}, 'reward.parts.brevity', ['mylab'])(['a', 'b']))\n"
        "import hydra, yaml\n"
        "print(sys.argv[1] in importlib.util.find_spec('datasets').origin)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(ufo_rl.__file__).parents[1])}
    output = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    assert output.split("\n")[:3] == ["True", "[1.0, 1.0]", "False"]
