"""The folders and services that a run needs: for results, data, the model, W&B."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ufo_rl.config.schema import Config, Template
from ufo_rl.errors import Problems, UserError
from ufo_rl.model.chat_template import check_chat
from ufo_rl.model.engine.vllm_fields import vllm_problems
from ufo_rl.model.weights import local_folder


def check_places(config: Config, wrong: Collection[str] = (), is_evaluation: bool = False) -> None:
    """The folders for results and data, the model's folder and chat template, its engine's arguments, and W&B's key must be
    right."""
    problems = Problems()
    if not {"paths", "plugins"} & set(wrong):
        problems.attempt(check_outputs, Path(config.paths.outputs))
        if not has_data(config, wrong):
            problems.add(
                f"paths.data={config.data} is no folder; set UFO_RL_DATA or paths.data to the folder of local "
                "dataset files, or unset it to load from the Hugging Face hub"
            )
    if "model" not in wrong:
        problems.attempt(_check_model, config, wrong, is_evaluation)
    if not {"engine", "signal"} & set(wrong):
        problems.add(*vllm_problems(config.engine, _runs_vllm(config)))
    if "tracker" not in wrong and config.tracker.mode == "online":
        problems.attempt(_check_key)
    problems.raise_any()


def _check_model(config: Config, wrong: Collection[str], is_evaluation: bool) -> None:
    check_chat(config.model, local_folder(config.model), templates_in_use(config, wrong, is_evaluation))


def templates_in_use(config: Config, wrong: Collection[str], is_evaluation: bool) -> dict[str, Template]:
    """The templates in use, by their keys: an evaluation uses the run's only for benchmarks without one of their own."""
    asked = {} if "eval" in wrong else config.eval
    own = {f"eval.{name}.template": one.template for name, one in asked.items() if one.template is not None}
    is_used = "template" not in wrong and not (is_evaluation and len(own) == len(asked))
    return {"template": config.template, **own} if is_used else own


def _runs_vllm(config: Config) -> bool:
    return config.engine.name == "vllm" or any(node.get("engine") == "vllm" for node in config.signal.values())


def has_data(config: Config, wrong: Collection[str] = ()) -> bool:
    """Whether datasets can be looked for: the folder of local files is there, or none is named."""
    return not {"paths", "plugins"} & set(wrong) and (config.data is None or config.data.is_dir())


def check_outputs(folder: Path) -> None:
    """The folder for results must be there or be creatable."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "cannot be written to" if there.is_dir() else "is no folder"
        raise UserError(f"paths.outputs={folder} cannot be used: {there} {what}; choose another place")


def _check_key() -> None:
    from ufo_rl.tracking.sink import check_mode

    check_mode("online")
