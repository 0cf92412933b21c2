"""Which commit a branch of the hub was when a model was last used here: a branch moves, and nobody sees it."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from ufo_rl.config.schema import Model
from ufo_rl.files.atomic import read_json, write_json

log = logging.getLogger(__name__)
COMMIT = re.compile("[0-9a-f]{7,40}")
SNAPSHOTS = "snapshots"  # the folder of the hub's cache, by commit


def tell_commit(model: Model, folder: Path, memo: Path) -> None:
    """Say which commit of the hub a fetched folder is where that is new, or another one than at the last time. `memo` keeps it,
    by path and revision; a folder of the user's is left alone."""
    is_commit = bool(COMMIT.fullmatch(str(model.revision))) and folder.name.startswith(str(model.revision))
    if folder.parent.name != SNAPSHOTS or is_commit or Path(model.path).expanduser().is_dir():
        return
    known: dict[str, str] = read_json(memo) if memo.is_file() else {}
    key, commit = f"{model.path}@{model.revision}", folder.name
    before = known.get(key)
    if before == commit:
        return
    if before is None:
        log.info("model.path=%s: %s is commit %s", model.path, model.revision, commit)
    else:
        log.warning(
            "model.path=%s: %s has moved from commit %s to %s since it was last used here: what was measured of the former "
            "does not count for it; model.revision=%s takes the former",
            *(model.path, model.revision, before, commit, before),
        )
    write_json(memo, {**known, key: commit})
