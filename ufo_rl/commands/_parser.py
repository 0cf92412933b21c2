"""Arguments of commands: mistakes are told as the user's, with the nearest option, all at once where they can be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from ufo_rl.errors import UserError, nearest


class Parser(argparse.ArgumentParser):
    """Of the command `ufo-rl NAME`; options may stand before or behind what they are for, and are never guessed from a part."""

    def __init__(self, name: str, usage: str, description: str, epilog: str) -> None:
        super().__init__(prog=f"ufo-rl {name}", usage=usage, description=description, epilog=epilog, allow_abbrev=False)
        self.name = name

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.name}: {message}; see ufo-rl {self.name} -h")

    def read(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """What was given, and a sentence for each option that there is not."""
        found, unknown = self.parse_known_intermixed_args(arguments)
        flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
        return found, [
            f"{self.name} {flag}: no such option{nearest(flag.partition('=')[0], flags)} (options: {', '.join(flags)})"
            for flag in unknown
        ]
