"""The levels of the design, read from the source: a lower module never imports a higher one."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ufo_rl

PACKAGE = Path(ufo_rl.__file__).parent
LEVELS = {
    0: ("records",),
    1: (
        "config",
        "relations",
        "typed",
        "build",
        "keys",
        "prompts",
        "dataset",
        "selector",
        "reward",
        "selection",
        "artifacts",
        "store",
        "journal",
        "intervals",
        "bootstrap",
        "measures",
        "tables",
        "rollouts",
        "identity",
        "conf_path",
        "environment",
        "tracking_rows",
        "contamination",
    ),
    2: ("model", "engine", "tracking", "ranks", "progress"),
    3: ("signals", "scoring", "training", "evaluation", "report", "lab"),
    4: (
        "launch",
        "follow",
        "worker",
        "stages",
        "signal_cache",
        "signal_costs",
        "signal_rows",
        "spool",
        "doctor",
        "grade_file",
        "decontamination",
        "overlaps",
        "pipeline",
        "evaluations",
        "evaluate_models",
        "context",
        "prepare",
        "experiment",
        "check",
        "run",
        "cli",
    ),
}
LEVEL_OF = {name: level for level, names in LEVELS.items() for name in names}
# heavy packages and the modules that may import them at all; everything else must do without
MAY_IMPORT = {
    "torch": {"model", "engine", "signals", "training", "ranks", "worker", "lab"},
    "transformers": {"model", "engine", "signals", "training", "lab"},
    "trl": {"training"},
    "deepspeed": {"training"},
    "wandb": {"tracking"},
    "hydra": {"run", "check", "cli", "experiment"},
    "omegaconf": {"run", "check", "experiment", "evaluate_models", "config"},
    "matplotlib": {"report"},
    "datasets": {"dataset", "training"},
    "math_verify": {"reward"},
}
MODULES = sorted(
    p.relative_to(PACKAGE) for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE
)


def top(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "ufo_rl" else {node.module}
            )
    return names


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_only_its_level_and_below(path: Path) -> None:
    own = LEVEL_OF[top(path)]
    for name in imported(path):
        if name.startswith("ufo_rl."):
            other = name.split(".")[1]
            assert LEVEL_OF[other] <= own, f"{path} (level {own}) imports {name} (level {LEVEL_OF[other]})"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_heavy_packages_stay_where_they_belong(path: Path) -> None:
    for name in imported(path):
        package = name.split(".")[0]
        if package in MAY_IMPORT:
            assert top(path) in MAY_IMPORT[package], f"{path} imports {package}"


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"]])
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
