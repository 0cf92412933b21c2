"""`ufo-rl evaluate`: models on benchmarks, without any training. Shares completions and results with all runs."""

from __future__ import annotations

import logging
import sys

from ufo_rl.config.words import parse_words

USAGE = "ufo-rl evaluate OVERRIDES...   a model on benchmarks, no training: model.path=FOLDER eval=[math500,gsm8k]"
GOES_ON = True  # what is finished stays where it is stopped


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.evaluate.jobs import evaluate

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    parsed = parse_words(arguments)
    tables = evaluate(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    sys.stdout.write("\n\n".join(tables) + "\n")
    return 0
