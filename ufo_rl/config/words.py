"""The words of a command line: Hydra's flags, and the overrides between them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from ufo_rl.errors import UserError

FLAGS = (("--help", "-h"), ("--hydra-help",), ("--resolve",), ("--run", "-r"), ("--multirun", "-m"))
VALUES = (("--package", "-p"), ("--config-path", "-cp"), ("--config-name", "-cn"), ("--config-dir", "-cd"))
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see ufo-rl --help, and ufo-rl --hydra-help for the flags")


def parse_words(words: Sequence[str]) -> argparse.Namespace:
    """`overrides` and one attribute a flag of Hydra 1.3. UserError where a flag is unknown.

    Flags may stand between overrides, which Hydra alone refuses.
    """
    parser = _Parser(add_help=False)
    parser.add_argument("overrides", nargs="*")
    for names in FLAGS:
        parser.add_argument(*names, action="store_true")
    for names in VALUES:
        parser.add_argument(*names)
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--info", "-i", nargs="?", const="all", choices=INFO)
    return parser.parse_intermixed_args(list(words))
