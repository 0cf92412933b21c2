"""The folders and services that a run needs: for results, data, the model, W&B."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ufo_rl.config.identity import identity, run_id
from ufo_rl.config.messages import brief
from ufo_rl.config.schema import Config, Template
from ufo_rl.errors import Problems, UserError
from ufo_rl.experiment.status import Status
from ufo_rl.files.atomic import why_unusable
from ufo_rl.files.environment import why_no_gpu
from ufo_rl.files.flat import flat
from ufo_rl.model.chat_template import check_chat
from ufo_rl.model.engine.vllm_fields import vllm_problems
from ufo_rl.model.weights import local_folder

MAX_KEYS = 5  # of a configuration that differs, in a message


def check_places(
    config: Config, wrong: Collection[str] = (), is_evaluation: bool = False, makes_model: bool = True
) -> None:
    """The folders for results and data, the model's folder and chat template, its engine's arguments, and W&B's key must be
    right. makes_model: see `local_folder`."""
    problems = Problems()
    if not {"paths", "plugins"} & set(wrong):
        problems.attempt(check_outputs, config.paths.outputs)
        if not has_data(config, wrong):
            problems.add(
                f"paths.data={config.data} is no folder; set UFO_RL_DATA or paths.data to the folder of local "
                "dataset files, or unset it to load from the Hugging Face hub"
            )
    if "model" not in wrong:
        problems.attempt(_check_model, config, wrong, is_evaluation, makes_model)
    if not {"engine", "signal"} & set(wrong):
        problems.add(*vllm_problems(config.engine, _runs_vllm(config)))
    if "tracker" not in wrong and config.tracker.mode in ("online", "offline"):
        problems.attempt(_check_tracker, config)
    problems.raise_any()


def _check_model(config: Config, wrong: Collection[str], is_evaluation: bool, makes: bool) -> None:
    check_chat(config.model, local_folder(config.model, makes), templates_in_use(config, wrong, is_evaluation))


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


def check_outputs(outputs: str) -> None:
    """The folder for results must be there or be creatable, with those that all runs share in it."""
    if not outputs or outputs.startswith("~"):
        why = "no folder is named" if not outputs else f"there is no user {outputs.split('/')[0][1:]}"
        raise UserError(f"paths.outputs={outputs} cannot be used: {why}; choose another place")
    for folder in (Path(outputs), Path(outputs, "cache"), Path(outputs, "evaluations")):
        if why := why_unusable(folder):
            raise UserError(f"paths.outputs={outputs} cannot be used: {why}; choose another place")


def check_folder(folder: Path, plain: Mapping[str, Any]) -> None:
    """The folder of a run must be usable, and hold no run of another configuration, whose results would count as its own."""
    if why := why_unusable(folder):
        raise UserError(f"the run's folder {folder} cannot be used: {why}; move that away, or choose another name=...")
    path = folder / "config.yaml"
    if folder.name == run_id(plain) or not path.is_file() or Status(folder).is_planned():
        return
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        is_same, differing = run_id(before) == run_id(plain), _differing(before, plain)
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        is_same, differing = False, ""
    if not is_same:
        raise UserError(
            f"{folder} holds a run of another configuration ({path}{differing}), whose results would be taken for this one's; "
            "remove it, or choose another hydra.run.dir, for example with ${run_id:} in it"
        )


def _differing(before: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    """The keys in which two configurations give other results, with the values there and here."""
    there, here = (flat(identity(one), ".") for one in (before, plain))
    keys = [key for key in dict.fromkeys([*here, *there]) if here.get(key) != there.get(key)]
    said = [f"{key}: {brief(there.get(key))} there, {brief(here.get(key))} here" for key in keys[:MAX_KEYS]]
    more = f", and {len(keys) - MAX_KEYS} more" if len(keys) > MAX_KEYS else ""
    return f"; {', '.join(said)}{more}" if said else ""


def check_machine(
    plain: Mapping[str, Any], signals: Collection[str] = (), generates: bool = True, trains: bool = False
) -> None:
    """What the machine itself must have, as far as that is certain without torch: a GPU with launch.device=cuda, and vLLM
    where it measures one of the `signals` or, if the work `generates`, makes its completions; what a training needs if it
    `trains`."""
    problems, device = Problems(), plain["launch"]["device"]
    if device == "cuda" and (why := why_no_gpu()):
        problems.add(f"launch.device=cuda: {why}; leave it out, or take launch.device=cpu")
    engines = {f"signal.{name}.engine": _entry(plain["signal"].get(name), "engine") for name in signals}
    if generates:
        engines["engine"] = _entry(plain["engine"], "name")
    if trains:
        problems.add(*_of_training(plain))
    asked = [key for key, engine in engines.items() if engine == "vllm"]
    if asked and importlib.util.find_spec("vllm") is None:
        problems.add(*(f"{key}=vllm: vLLM is not installed; pip install 'ufo-rl[vllm]', or take hf" for key in asked))
    problems.raise_any()


def _of_training(plain: Mapping[str, Any]) -> Iterator[str]:
    rollout, is_switched = _entry(plain.get("rollout"), "name"), _entry(plain.get("rollout"), "cpu_for_tests")
    is_on_cpu = plain["launch"]["device"] == "cpu" or bool(why_no_gpu())
    if rollout in ("vllm_colocate", "vllm_server") and importlib.util.find_spec("vllm") is None:
        yield f"rollout={rollout}: vLLM is not installed; pip install 'ufo-rl[vllm]', or take rollout=hf"
    elif rollout == "vllm_colocate" and is_on_cpu and is_switched is not True:
        yield (
            "rollout=vllm_colocate on a CPU: vLLM packs the weights there, and a training could never exchange them; take "
            "rollout=hf"
        )
    elif rollout == "vllm_server" and is_on_cpu:
        yield "rollout=vllm_server on a CPU: TRL hands weights to a server over CUDA alone; take rollout=hf"
    if _entry(_entry(plain.get("train"), "lora"), "rank") is not None and importlib.util.find_spec("peft") is None:
        yield "train.lora.rank: PEFT is not installed; pip install 'ufo-rl[lora]', or leave it out"


def _entry(node: Any, key: str) -> Any:
    """What a node says of a key; None where it is no node, which is told with the other values."""
    return node.get(key) if isinstance(node, Mapping) else None


def _check_tracker(config: Config) -> None:
    from ufo_rl.tracking.mode import check_tracker  # only where it is asked for by name: it imports wandb

    tracker = config.tracker
    check_tracker(tracker.mode, tracker.project, tracker.tags, Path(config.paths.outputs))
