"""`ufo-rl score`: signals of a dataset, measured and written down; nothing is selected and nothing trained."""

from __future__ import annotations

import logging
import sys

from ufo_rl.config.words import parse_words

USAGE = "ufo-rl score OVERRIDES...   what the model says of each prompt: model.path=FOLDER dataset=gsm8k signal=[confidence]"
GOES_ON = True  # what is finished stays where it is stopped


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.score.jobs import score

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    parsed = parse_words(arguments)
    told = score(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    sys.stdout.write("\n\n".join(told) + "\n")
    return 0
