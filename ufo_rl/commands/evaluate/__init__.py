"""`ufo-rl evaluate`: models on benchmarks, without any training. Shares completions and results with all runs."""

from __future__ import annotations

USAGE = "ufo-rl evaluate OVERRIDES...   a model on benchmarks, no training: model.path=FOLDER eval=[math500,gsm8k]"
GOES_ON = True  # what is finished stays where it is stopped


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.evaluate.jobs import evaluate
    from ufo_rl.experiment.apart import answer

    return answer(arguments, evaluate)
