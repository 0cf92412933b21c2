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


def parse_of_command(words: Sequence[str], takes_several: bool = False) -> argparse.Namespace:
    """The same of a command's words. UserError for flags that say what experiments do, which would be ignored."""
    parsed = parse_words(words)
    asked = {f"--{name.replace('_', '-')}": value for name, value in vars(parsed).items() if name != "overrides"}
    taken = {"--config-dir", "--config-name", *(("--multirun",) if takes_several else ())}
    if ignored := [flag for flag, value in asked.items() if value and flag not in taken]:
        raise UserError(
            f"{' and '.join(ignored)}: no flag of this command; without the command's name it is one: ufo-rl OVERRIDES "
            f"{ignored[0]}"
        )
    return parsed


def check_flags(parsed: argparse.Namespace) -> None:
    """UserError where flags exclude each other, or one does nothing without another."""
    if parsed.config_path:
        raise UserError("--config-path replaces all of conf/; add a folder of your own with --config-dir")
    if parsed.cfg and parsed.multirun:
        raise UserError("--cfg shows one configuration: leave -m out, and give one value per key")
    asked = {"--run": parsed.run, "--multirun": parsed.multirun, "--cfg": parsed.cfg, "--info": parsed.info}
    asked["--shell-completion"] = parsed.shell_completion
    given = [flag for flag, value in asked.items() if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude each other; give one of them")
    if parsed.resolve and not parsed.cfg:
        raise UserError("--resolve belongs to --cfg: ufo-rl ... --cfg job --resolve")
    if parsed.package and not parsed.cfg:
        raise UserError(f"--package {parsed.package} belongs to --cfg: ufo-rl ... --cfg job --package {parsed.package}")
