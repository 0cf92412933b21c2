"""The commands of `ufo-rl`, a file or folder each: its name is the command's, `USAGE` how it is used, `run(arguments)` does it.

Commands of the user lie in the folder `ufo_commands` where `ufo-rl` is started. Usages are read from the source: listing
them imports nothing and runs nothing.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ufo_rl.config.build import find_from_here
from ufo_rl.config.optional import ask
from ufo_rl.errors import UserError

OURS, THEIRS = Path(__file__).parent, Path("ufo_commands")


@dataclass(frozen=True)
class Command:
    """A command: where its code lies, and its usage in a line or more. `goes_on`: stopped, it keeps what is finished."""

    name: str
    path: Path
    usage: str
    goes_on: bool

    def help(self) -> str:
        """What -h shows: what the command's own function `help` says, else its usage."""
        return ask(self._module(), "help", default=self.usage)

    def run(self) -> Callable[[list[str]], int]:
        """Its function, imported now. UserError where the file has none."""
        module = self._module()
        if not callable(getattr(module, "run", None)):
            raise UserError(f"{self.path}: a command needs a function run(arguments: list[str]) -> int")
        return module.run

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
    """All commands by name, ours first. UserError for one of the user's that has the name of ours, or no usage."""
    found: dict[str, Command] = {}
    for folder in (OURS, THEIRS):
        files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")] if folder.is_dir() else []
        for path in sorted(path for path in files if path.parent.name != "__pycache__"):
            name = path.parent.name if path.name == "__init__.py" else path.stem
            if path == OURS / "__init__.py" or name.startswith("_"):
                continue
            if name in found:
                raise UserError(f"{path}: {name} is a command of ours already; rename the file")
            found[name] = _command(name, path)
    return found


def _command(name: str, path: Path) -> Command:
    constants = {
        target.id: node.value
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    try:
        usage = ast.literal_eval(constants["USAGE"])
        goes_on = "GOES_ON" in constants and ast.literal_eval(constants["GOES_ON"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: a command needs a text USAGE = '...' that says how it is used") from error
    return Command(name, path, str(usage), bool(goes_on))
