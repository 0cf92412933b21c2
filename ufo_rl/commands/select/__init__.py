"""`ufo-rl select`: the prompts worth training on, as files that any trainer reads; nothing is trained."""

from __future__ import annotations

USAGE = (
    "ufo-rl select OVERRIDES...   the kept prompts as a file for any trainer: dataset=gsm8k selector=ufo ratio=10pct"
)
GOES_ON = True  # what is finished stays where it is stopped


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.select.jobs import select_prompts
    from ufo_rl.experiment.apart import answer

    return answer(arguments, select_prompts)
