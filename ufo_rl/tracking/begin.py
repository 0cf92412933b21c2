"""How a W&B run begins: what the configuration asks, what the machine allows, and what is told where neither is to be had."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.tracking.mode import (
    MAX_TAG_CHARS,
    check_tracker,
    is_tag,
    reason,
    resolved_mode,
    root_folder,
    sync_command,
    tag_problems,
)
from ufo_rl.tracking.sink import Tracker

logger = logging.getLogger(__name__)
TAG_GROUPS = ("model", "dataset", "selector")  # whose choices are tags
# W&B waits 90 s by default; on a node without internet every job of a sweep would.
SECONDS_TO_CONNECT = 30.0
# By default W&B waits for ever for the last uploads, and with it every later job of a sweep.
SECONDS_TO_FINISH = 600.0


def open_run(
    tracker: Mapping[str, Any], record: Mapping[str, Any], config: Mapping[str, Any], outputs: Path
) -> Tracker:
    """Start the W&B run of a run folder.

    `tracker` is the config node (mode, project, entity, tags), `record` run.json, `config` the resolved
    plain config, `outputs` the folder that shares one `wandb/` between all runs. The id is
    `record["wandb_id"]`: the same folder again continues the same run. UserError where a mode that is asked
    for by name does not start; `auto` goes offline, or on without W&B, and says so in a line.
    """
    asked, project, tags = tracker["mode"], tracker["project"], tracker["tags"]
    if asked == "off":
        return Tracker()
    check_tracker(asked, project, tags, outputs)
    mode, why = resolved_mode(asked, project, outputs)
    if mode == "off":
        if why:
            logger.warning("W&B: the run goes on without it: %s", why)
        return Tracker()
    for problem in tag_problems(tags):  # where W&B is asked for by name, they were refused
        logger.warning("W&B: a tag is left out: %s", problem)
    _keep_files_in(outputs)
    sync = sync_command(outputs, record["wandb_id"])
    if why:
        logger.info("W&B: %s, logging offline; send it later with: %s", why, sync)
    try:
        return Tracker(_start(mode, tracker, record, config, outputs))
    except Exception as error:  # W&B, pydantic, the network, the disk: none of them is worth a run
        if asked != "auto":
            raise UserError(f"tracker.mode={mode}: W&B did not start ({reason(error)}); use tracker=auto") from error
        if mode == "offline":
            return _without(error)
        refusal = reason(error)
    try:
        _forget_start()
        run = _start("offline", tracker, record, config, outputs)
    except Exception as error:
        return _without(error)
    logger.warning("W&B: no server (%s), logging offline; send it later with: %s", refusal, sync)
    return Tracker(run)


def _without(error: Exception) -> Tracker:
    logger.warning("W&B: the run goes on without it, it did not start: %s", reason(error))
    with suppress(Exception):
        _forget_start()
    return Tracker()


def _forget_start() -> None:
    """A failed start still holds the id in W&B's service process."""
    import wandb

    wandb.teardown()


def _keep_files_in(outputs: Path) -> None:
    """Stage and cache below `outputs` unless the user chose a place: home folders have quotas."""
    for variable, name in (("WANDB_DATA_DIR", "data"), ("WANDB_CACHE_DIR", "cache")):
        os.environ.setdefault(variable, str(outputs.resolve() / "wandb" / name))


def _start(
    mode: Any, tracker: Mapping[str, Any], record: Mapping[str, Any], config: Mapping[str, Any], outputs: Path
) -> Any:
    import wandb

    names = [str(config[group].get("name", "custom"))[:MAX_TAG_CHARS] for group in TAG_GROUPS if group in config]
    tags = dict.fromkeys(tag for tag in [*names, *tracker["tags"]] if is_tag(tag))
    choices = {f"choice/{group}": option for group, option in record["choices"].items()}
    about = {key: record.get(key) for key in ("cell_id", "command", "created", "versions", "git", "hardware")}
    root = root_folder(outputs)
    root.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=tracker["project"] or None,  # empty: W&B's own default
        entity=tracker["entity"],
        id=record["wandb_id"],
        name=record["display_name"],
        group=record["group"],
        job_type=record["job_type"],
        tags=list(tags),
        config={**config, **choices, "run": about},
        dir=str(root.resolve()),
        mode=mode,
        resume="allow",
        # Without it a second init in one process returns the first run and drops the second config
        # (wandb#1314).
        reinit="create_new",
        allow_val_change=True,
        settings=wandb.Settings(
            console="off",
            silent=mode == "offline",
            init_timeout=SECONDS_TO_CONNECT,
            finish_timeout=SECONDS_TO_FINISH,
        ),
    )
    run.define_metric("score/prompts", hidden=True)
    run.define_metric("score/*", step_metric="score/prompts")
    run.define_metric("train/global_step", hidden=True)
    run.define_metric("train/*", step_metric="train/global_step")
    run.define_metric("eval/*", step_metric="train/global_step")
    return run
