"""What each rank of the training stage does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Config
from ufo_rl.files.journal import Journal
from ufo_rl.launch.place import Ranks
from ufo_rl.launch.spool import read_rows
from ufo_rl.model.weights import load_tokenizer
from ufo_rl.reward.parts import build_parts


def training(config: Config, request: dict[str, Any], ranks: Ranks) -> dict[str, Any]:
    """Train on the selected rows; the policy is saved into the request's folder."""
    from ufo_rl.training.grpo import prepare_process_group, train  # seconds that the ranks of other stages need not pay

    prepare_process_group(ranks, config.deepspeed.config)
    folder = Path(request["model"])
    return train(
        read_rows(Path(request["rows"])),
        folder,
        load_tokenizer(folder),
        build_parts(config.reward.parts, config.plugins),
        config.train,
        config.deepspeed.config,
        config.seed,
        ranks,
        Path(request["checkpoints"]),
        Path(request["policy"]),
        Journal(Path(request["journal"]), request["stage"], request["attempt"]).write,
    )
