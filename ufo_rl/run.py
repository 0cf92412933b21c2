"""The Hydra application. Light on purpose: --help and --cfg must answer at once, so a job imports its work itself."""

from __future__ import annotations

import sys
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from ufo_rl.conf_path import conf_folder
from ufo_rl.identity import run_id


def plain_config(cfg: Any) -> dict[str, Any]:
    """The resolved configuration without Hydra's own node, as plain data."""
    keys = [key for key in cfg if key != "hydra"]
    container = OmegaConf.to_container(OmegaConf.masked_copy(cfg, keys), resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def start() -> None:
    """Run Hydra on sys.argv."""
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(job)()


def job(cfg: DictConfig) -> float | None:
    """What Hydra calls for each job: the accuracy of the first benchmark after training, None if the run failed."""
    from ufo_rl.experiment import experiment

    return experiment(plain_config(cfg))


# ${run_id:} of Hydra's output folders. At import, because launchers unpickle `job` in processes of their own.
OmegaConf.register_new_resolver("run_id", lambda *, _root_: run_id(plain_config(_root_)), replace=True)

if __name__ == "__main__":
    from ufo_rl.cli import main

    sys.exit(main())
