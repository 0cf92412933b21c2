"""`ufo-rl score`: signals of a dataset, measured and written down; nothing is selected and nothing trained."""

from __future__ import annotations

USAGE = "ufo-rl score OVERRIDES...   what the model says of each prompt: model.path=FOLDER dataset=gsm8k signal=[confidence]"
GOES_ON = True  # what is finished stays where it is stopped


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.score.jobs import score
    from ufo_rl.experiment.apart import answer

    return answer(arguments, score)
