"""`ufo-rl plan`: what a job will do, hold and cost, and what does not fit, before any GPU second."""

from __future__ import annotations

USAGE = "ufo-rl plan OVERRIDES...   what will it do, hold and cost, and does it fit? --gpu h100; nothing is run"


def help() -> str:
    from ufo_rl.commands.plan.options import TEXT

    return TEXT


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.plan.jobs import plan

    return plan(arguments)
