"""`ufo-rl select`: the prompts worth training on, as files that any trainer reads; nothing is trained."""

from __future__ import annotations

import logging
import sys

from ufo_rl.config.words import parse_words

USAGE = (
    "ufo-rl select OVERRIDES...   the kept prompts as a file for any trainer: dataset=gsm8k selector=ufo ratio=10pct"
)
GOES_ON = True  # what is finished stays where it is stopped


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.select.jobs import select_prompts

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    parsed = parse_words(arguments)
    told = select_prompts(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    sys.stdout.write("\n\n".join(told) + "\n")
    return 0
