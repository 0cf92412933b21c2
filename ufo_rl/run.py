"""The Hydra application. Light on purpose: --help and --cfg must answer at once, so a job imports its work itself."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from ufo_rl.config.compose import plain_config
from ufo_rl.config.folder import conf_folder


def start() -> None:
    """Run Hydra on sys.argv."""
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(job)()


def job(cfg: DictConfig) -> float | None:
    """What Hydra calls for each job: the accuracy of the first benchmark after training, None if the run failed."""
    from ufo_rl.experiment.life import experiment

    return experiment(plain_config(cfg))


if __name__ == "__main__":
    from ufo_rl.cli import main

    sys.exit(main())
