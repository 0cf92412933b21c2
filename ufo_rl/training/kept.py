"""Which weights of a finished run stay: `train.keep_policy`."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from ufo_rl.config.schema import Train
from ufo_rl.files.atomic import manifest

log = logging.getLogger(__name__)


def leave_weights(folder: Path, settings: Train) -> None:
    """Remove from a training's folder what need not stay; an adapter, rollouts and records stay. What is asked of the
    run later and needs a policy that is gone trains again."""
    done = manifest(folder) or {}
    best, gone = done.get("best"), list[str]()
    if settings.keep_policy == "none":
        gone = ["policy", "best"]
    elif settings.keep_policy == "best" and best is not None and best["step"] != done["steps"]:
        gone = ["policy"]
    found = [name for name in gone if (folder / name).is_dir()]
    for name in found:
        shutil.rmtree(folder / name)
    if found:
        log.info("train.keep_policy=%s: %s removed", settings.keep_policy, " and ".join(found))
