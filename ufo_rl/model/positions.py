"""How long a text a model can read at all: those with a table of positions end where it ends."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors import safe_open

from ufo_rl.config.folder_facts import config_of, positions_of
from ufo_rl.model.folder import weight_files

# Tables that are learned stand among the weights; these architectures compute theirs, of the same length.
TABLE = re.compile(r"(?:^|\.)(?:wpe|embed_positions|position_embeddings?|positions_embed)\.weight$")
COMPUTED = ("codegen", "ctrl", "gptj", "mpt")
OFFSETS = (0, 2)  # rows in front of the first position: fairseq's models leave two out


def num_positions(folder: Path) -> int | None:
    """The tokens of prompt and completion that the model in `folder` has positions for; None where there is no such end:
    rotations and slopes are computed for every position."""
    limit = positions_of(str(folder))
    if limit is None:
        return None
    if config_of(str(folder)).get("model_type") in COMPUTED:
        return limit
    for path in weight_files(folder):
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if TABLE.search(name)]  # noqa: SIM118
            if any(file.get_slice(name).get_shape()[0] - limit in OFFSETS for name in names):
                return limit
    return None
