"""All jobs of a command line, planned and told."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from ufo_rl.commands.plan.as_json import recorded
from ufo_rl.commands.plan.job_plan import JobPlan, plan_job
from ufo_rl.commands.plan.model_table import model_table
from ufo_rl.commands.plan.options import PlanOptions, split
from ufo_rl.commands.plan.shown import shown, together
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.words import parse_of_command
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import write_text


def plan(arguments: Sequence[str]) -> int:
    """Tell the plan; 0, also where something does not fit: that is an answer."""
    options, words = split(arguments)
    parsed = parse_of_command(words, takes_several=True)
    if options.table:
        if parsed.multirun:
            raise UserError("plan --table: one recipe at a time, without -m")
        sys.stdout.write(model_table(parsed.overrides, parsed.config_dir, parsed.config_name) + "\n")
        return 0
    plans = plans_of(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun, options)
    blocks = [shown(one, options.explain) for one in plans]
    if len(plans) > 1:
        blocks.append(together(plans))
    sys.stdout.write("\n\n".join(blocks) + "\n")
    if options.json is not None:
        try:
            write_text(options.json, json.dumps([recorded(one) for one in plans], indent=1) + "\n")
        except OSError as error:
            raise UserError(
                f"plan --json {options.json} cannot be written ({error.strerror}); name another file"
            ) from error
    return 0


def plans_of(
    overrides: Sequence[str], config_dir: str | None, config_name: str | None, multirun: bool, options: PlanOptions
) -> list[JobPlan]:
    """UserError where the command line names what there is not."""
    return [plan_job(job, options) for job in compose_jobs(overrides, config_dir, config_name, multirun)]
