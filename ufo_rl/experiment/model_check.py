"""Is the model what it is taken for? Asked before any stage, in a process of its own that has torch, once a model."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Config, Shot, Template
from ufo_rl.errors import StageFailed, UserError
from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.files.environment import versions
from ufo_rl.files.keys import digest
from ufo_rl.launch.rank_context import RankContext
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.weights import PACKAGED, fingerprint, local_folder, named

VERSION = 1  # raise it when more is looked at: models that passed before are looked at again


@dataclass(frozen=True)
class ModelRequest:
    """What the rank is asked: to try the model in `folder`, which the user named as `called`, with the template and the
    worked examples of the benchmarks."""

    folder: Path
    called: str
    template: Template
    few_shot: list[list[Shot]]


def check_local_model(config: Config) -> None:
    """`check_model` of a model in a folder of the user's. One of the hub is tried when it is there; ours is tested."""
    folder = local_folder(config.model)
    if folder is not None and not config.model.path.startswith(PACKAGED):
        check_model(config, folder)


def check_fetched(config: Config, chat: ChatModel) -> None:
    """`check_model` of a model of the hub, once `chat` has fetched it."""
    if local_folder(config.model) is None:
        check_model(config, chat.folder)


def check_model(config: Config, folder: Path) -> None:
    """UserError with everything that is wrong with a model whose files are sound: tensors by name, numbers, tokenizer,
    template. What passed is remembered by content, in the cache, and not tried again."""
    cache = Path(config.paths.outputs) / "cache"
    few_shot = [benchmark.few_shot for benchmark in config.eval.values() if benchmark.few_shot]
    request = ModelRequest(folder, named(config.model), config.template, few_shot)
    passed_path = cache / "models_checked.json"
    about = [VERSION, fingerprint(folder, cache / "fingerprints.json"), versions(("transformers",))]
    key = digest([*about, _plain(request.template), [[_plain(shot) for shot in shots] for shots in few_shot]])
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


def _plain(record: Any) -> dict[str, Any]:
    return dict(vars(record))


def try_model(request: ModelRequest, context: RankContext) -> dict[str, Any]:
    """The rank function."""
    from ufo_rl.model.trial import check_model

    check_model(request.folder, request.called, request.template, request.few_shot)
    return {}
