"""The commands of `ufo-rl`, a file or folder each: its name is the command's, `USAGE` how it is used, `run(arguments)` does it.

Commands of the user lie in the folder `ufo_commands` where `ufo-rl` is started. Usages are read from the source: listing
them imports nothing and runs nothing. A file of the user's that is no command spoils no other one: what is wrong with it
stands in the help, and is told where it is asked for.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ufo_rl.config.build import find_from_here
from ufo_rl.config.optional import ask
from ufo_rl.errors import UserError

OURS, THEIRS = Path(__file__).parent, Path("ufo_commands")


@dataclass(frozen=True)
class Command:
    """A command: where its code lies, and its usage in a line or more. `goes_on`: stopped, it keeps what is finished.
    `problem`: why it cannot be run, with the file, "" for none."""

    name: str
    path: Path
    usage: str = ""
    goes_on: bool = False
    problem: str = ""

    def check(self) -> None:
        """UserError with its problem."""
        if self.problem:
            raise UserError(self.problem)

    def help(self) -> str:
        """What -h shows: what the command's own function `help` says, else its usage."""
        self.check()
        return ask(self._module(), "help", default=self.usage)

    def status(self, arguments: list[str]) -> int:
        """Run it, imported now; its exit status, 0 where it returns none. UserError where the file has no such function."""
        self.check()
        module = self._module()
        if not callable(getattr(module, "run", None)):
            raise UserError(f"{self.path}: a command needs a function run(arguments: list[str]) -> int")
        found = module.run(arguments)
        if found is not None and not isinstance(found, int):
            kind = type(found).__name__
            raise UserError(
                f"{self.path}: run(arguments) returned a {kind}; print what is to be read, return an exit status"
            )
        return found or 0

    def _module(self) -> ModuleType:
        if self.path.is_relative_to(OURS):
            return importlib.import_module(f"ufo_rl.commands.{self.name}")
        find_from_here()  # a command may use the packages beside it
        spec = importlib.util.spec_from_file_location(f"ufo_commands.{self.name}", self.path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module


def commands() -> dict[str, Command]:
    """All commands by name, ours first."""
    found: dict[str, Command] = {}
    for folder in (OURS, THEIRS):
        files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")] if folder.is_dir() else []
        for path in sorted(path for path in files if path.parent.name != "__pycache__"):
            name = path.parent.name if path.name == "__init__.py" else path.stem
            if path == OURS / "__init__.py" or name.startswith("_"):
                continue
            found[name] = _again(found[name], path) if name in found else _command(name, path)
    return found


def usages() -> str:
    """The lines of the help: how each command is used, then what is wrong with files of the user's."""
    found = commands().values()
    lines = [command.usage for command in found if command.usage] + [one.problem for one in found if one.problem]
    return "\n".join(f"  {line}" for line in lines)


def _again(first: Command, path: Path) -> Command:
    """Which of two files is meant nobody can tell."""
    if first.path.is_relative_to(OURS):
        return replace(first, problem=f"{path}: {first.name} is a command of ours already; rename the file")
    return replace(first, problem=f"{path}: {first.path} is the command {first.name} already; rename one of them")


def _command(name: str, path: Path) -> Command:
    try:
        constants = _constants(ast.parse(path.read_bytes()))  # bytes: a file may declare another encoding
    except (SyntaxError, ValueError, OSError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        return Command(name, path, problem=f"{path}{line}: not to be read as Python ({reason})")
    usage, goes_on = constants.get("USAGE"), constants.get("GOES_ON", False)
    if not isinstance(usage, str) or not usage.strip():
        return Command(name, path, problem=f"{path}: a command needs a text USAGE = '...' that says how it is used")
    if not isinstance(goes_on, bool):
        return Command(name, path, problem=f"{path}: GOES_ON must be True or False, as it stands in the file")
    return Command(name, path, usage, goes_on)


def _constants(module: ast.Module) -> dict[str, Any]:
    """The names that a module sets, with their values; None where a value is more than a constant."""
    found: dict[str, Any] = {}
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError):
                value = None
            found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return found
