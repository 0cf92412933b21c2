"""Is the model what it is taken for? Asked before any stage, in a process of its own that has torch, once a model."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Config, Shot, Template
from ufo_rl.errors import StageFailed, UserError
from ufo_rl.experiment.surroundings import templates_in_use
from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.files.environment import versions
from ufo_rl.files.keys import digest
from ufo_rl.launch.rank_context import RankContext
from ufo_rl.launch.request import plain
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.chat_template import read_chat_template
from ufo_rl.model.weights import PACKAGED, fingerprint, local_folder, named

VERSION = 2  # raise it when more is looked at: models that passed before are looked at again


@dataclass(frozen=True)
class Asking:
    """One way of asking: a template, and the worked examples of the benchmarks that are asked by it."""

    template: Template
    few_shot: list[list[Shot]]


@dataclass(frozen=True)
class ModelRequest:
    """What the rank is asked: to try the model in `folder`, which the user named as `called`, in all ways in which it will be
    asked. chat_template: the text of one that stands in place of its own."""

    folder: Path
    called: str
    ways: list[Asking]
    chat_template: str | None


def check_local_model(config: Config, is_evaluation: bool = False) -> None:
    """`check_model` of a model in a folder of the user's. One of the hub is tried when it is there; ours is tested."""
    folder, is_ours = local_folder(config.model), config.model.path.startswith(PACKAGED)
    if folder is not None and not (is_ours and config.model.chat_template is None):
        check_model(config, folder, is_evaluation)


def check_fetched(config: Config, chat: ChatModel, is_evaluation: bool = False) -> None:
    """`check_model` of a model of the hub, once `chat` has fetched it."""
    if local_folder(config.model) is None:
        check_model(config, chat.folder, is_evaluation)


def check_model(config: Config, folder: Path, is_evaluation: bool) -> None:
    """UserError with everything that is wrong with a model whose files are sound: tensors by name, numbers, tokenizer,
    template. What passed is remembered by content, in the cache, and not tried again."""
    cache, own = Path(config.paths.outputs) / "cache", config.model.chat_template
    chat_template = read_chat_template(own) if own is not None else None
    request = ModelRequest(folder, named(config.model), _ways(config, is_evaluation), chat_template)
    passed_path = cache / "models_checked.json"
    asked = {name: value for name, value in plain(request).items() if name not in ("folder", "called")}
    key = digest([VERSION, fingerprint(folder, cache / "fingerprints.json"), versions(("transformers",)), asked])
    passed: dict[str, str] = read_json(passed_path) if passed_path.is_file() else {}
    if key in passed:
        return
    sys.stderr.write(f"looking at the model in {folder} ...\n")
    launch = replace(config.launch, num_ranks=1, num_nodes=1, node_rank=0)
    with tempfile.TemporaryDirectory() as work:
        try:
            Stages(Path(work), launch).run("model", f"{__name__}.try_model", request, key)
        except StageFailed as error:
            words = str(error).splitlines()[0]
            raise UserError(f"{request.called} cannot be tried: {words}; take a sound copy of the folder") from error
    write_json(passed_path, {**passed, key: str(folder)})


def _ways(config: Config, is_evaluation: bool) -> list[Asking]:
    """Every template in use with the worked examples that it shows."""
    ways = {key: Asking(template, []) for key, template in templates_in_use(config, (), is_evaluation).items()}
    for name, benchmark in config.eval.items():
        if benchmark.few_shot:
            ways["template" if benchmark.template is None else f"eval.{name}.template"].few_shot.append(
                benchmark.few_shot
            )
    return list(ways.values())


def try_model(request: ModelRequest, context: RankContext) -> dict[str, Any]:
    """The rank function."""
    from ufo_rl.model.trial import check_model

    ways = [(way.template, way.few_shot) for way in request.ways]
    check_model(request.folder, request.called, ways, request.chat_template)
    return {}
