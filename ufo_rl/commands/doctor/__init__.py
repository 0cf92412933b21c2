"""`ufo-rl doctor`: is this set-up stable enough to trust its selection? `stability` is the parent's half, `rank` a rank's."""

from __future__ import annotations

import logging
import sys

from ufo_rl.config.words import parse_of_command

USAGE = "ufo-rl doctor OVERRIDES...   is the selection of this configuration stable enough to trust?"


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.doctor.stability import doctor

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    parsed = parse_of_command(arguments)
    sys.stdout.write(doctor(parsed.overrides, parsed.config_dir, parsed.config_name) + "\n")
    return 0
