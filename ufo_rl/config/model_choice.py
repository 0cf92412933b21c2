"""Which model option a command line means: one given by its path alone is `model=custom`, under its own name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ufo_rl.config.folder_facts import config_of, local, record_of
from ufo_rl.config.job_config import options_of
from ufo_rl.config.kinds import stated
from ufo_rl.config.schema import Template
from ufo_rl.config.tree import Tree
from ufo_rl.errors import UserError, nearest

CUSTOM, PATH = "custom", "model.path"
LAB, FIRST_LAB = "ufo_rl.dataset.rules.Rules", "ufo_rl.dataset.arithmetic.Arithmetic"
LABS_MODEL = "package:lab/rules"
DATA = ("dataset", "eval")  # groups
SIZE = re.compile(r"(\d+(?:\.\d+)?)b\b", re.IGNORECASE)  # 7B of Qwen2.5-7B-Instruct
FAMILIES = {"llama": ("llama", "smollm2")}  # what models of a kind are called, where not by its name
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
SHAPE = ("model_type", "hidden_size", "num_hidden_layers")


@dataclass(frozen=True)
class ModelChoice:
    """added: options that the command line means besides those that it names. is_default: nobody chose a model. chosen: the
    groups of data, `dataset` and `eval`, that somebody chose."""

    added: tuple[str, ...] = ()
    is_default: bool = False
    chosen: frozenset[str] = frozenset()


def choose_model(
    tree: Tree, line: Sequence[Override], params: Sequence[Override], jobs: Sequence[Sequence[Override]]
) -> ModelChoice:
    """What the overrides of the command line, those of a sweep's file (params) and the files of all jobs say of the model.

    A path stands above a choice that was made before it: of the primary file or a preset, of the sweep, of the command line.
    UserError where jobs differ in it, and where a folder contradicts the option that it is given out as.
    """
    for override in (override for job in jobs for override in job):
        _refuse_no_path(override)
    choice_at, path_at = (max(_given(line, key) * 3, _given(params, key) * 2) for key in ("model", PATH))
    found = [_of_files(tree, job) for job in jobs]
    chosen = frozenset(group for group in DATA if _given([*line, *params], group) or _in_files(found, group))
    if choice_at < 3:
        needs = {max(path_at, of.has_path) > max(choice_at, of.has_choice) for of in found}
        if len(needs) > 1:
            raise UserError(
                f"{PATH} stands in some of the chosen files without a choice of a model; write `- override /model: {CUSTOM}` "
                "into their defaults"
            )
        if needs == {True}:
            paths = list(dict.fromkeys(of.path for of in found))
            added = (f"model={CUSTOM}", *_of_record(tree, [*params, *line], found, [p for p in paths if p is not None]))
            return ModelChoice(added, chosen=chosen)
    for of in found:
        if max(path_at, of.has_path) and of.path is not None and of.option not in (CUSTOM, None):
            _refuse_contradiction(str(of.option), tree.own_value("model", str(of.option), "path"), of.path)
    return ModelChoice((), not choice_at and not any(of.has_choice for of in found), chosen)


def _given(overrides: Sequence[Override], key: str) -> bool:
    return any(override.key_or_group == key and not override.is_delete() for override in overrides)


def _refuse_no_path(override: Override) -> None:
    """UserError where a path is no text, or stands in an object: beside an option's name, which would stay another model's."""
    value = None if override.is_delete() else override.value()
    if override.key_or_group == "model" and isinstance(value, Mapping) and "path" in map(str, value):
        raise UserError(
            f"model={override.get_value_element_as_str()}: give the path by itself, {PATH}=FOLDER, and other keys likewise"
        )
    if override.key_or_group != PATH or override.is_delete() or (isinstance(value, str) and str(value).strip()):
        return
    shown = override.get_value_element_as_str()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    cure = f"write {PATH}=./{shown} for a folder of that name" if is_number else "give a folder or a hub id"
    raise UserError(f"{PATH}={shown} is no path; {cure}")


def _in_files(found: Sequence[_Found], group: str) -> bool:
    return any(group in of.groups for of in found)


@dataclass(frozen=True)
class _Found:
    """Of a job: its model option and path; whether its files choose a model, give a path; which groups they choose."""

    option: Any
    path: str | None
    has_choice: bool
    has_path: bool
    groups: frozenset[str]


def _of_files(tree: Tree, job: Sequence[Override]) -> _Found:
    options = options_of(tree, job)
    cfg, chosen = tree.compose(options), tree.chosen_by_files(options)
    option, has_files = cfg.hydra.runtime.choices.get("model"), tree.name != "config" or _given(job, "experiment")
    of_files = cfg.model.path if option is not None and not OmegaConf.is_missing(cfg.model, "path") else None
    given = [one.value() for one in job if one.key_or_group == PATH]
    path = given[-1] if given else of_files
    by_file = has_files and option is not None and of_files != tree.own_value("model", option, "path")
    return _Found(option, _resolved(path), "model" in chosen, by_file, frozenset(chosen))


def _resolved(path: Any) -> str | None:
    """A path that may hold ${oc.env:..}; None where it is none, which is told with the other values."""
    try:
        found = OmegaConf.create({"path": path}).path
    except OmegaConfBaseException:
        return None
    return found if isinstance(found, str) else None


def _of_record(tree: Tree, overrides: Sequence[Override], found: Sequence[_Found], paths: Sequence[str]) -> list[str]:
    """Template and recipe that policies of ours were trained with, where nobody chose others."""
    records, added = {path: record_of(path) for path in paths}, []
    if not paths:
        return []  # none is a text, which is told with the other values
    for group in ("template", "train"):
        if _given(overrides, group) or any(group in of.groups for of in found):
            continue
        names = {_name(records[path], group) for path in paths}
        if names == {None}:
            continue
        if len(names) > 1:
            each = ", ".join(f"{path}: {_name(record, group) or 'unknown'}" for path, record in records.items())
            raise UserError(
                f"{PATH}: the models were trained with different options of {group} ({each}); choose {group}=..."
            )
        (name,) = names
        if name not in tree.options(group):
            raise UserError(
                f"{PATH}={paths[0]} was trained with {group}={name}, which is no option here"
                f"{nearest(str(name), tree.options(group))}; choose {group}=..., or add its folder with --config-dir"
            )
        added.append(f"{group}={name}")
    if any(one.startswith("template=") for one in added) and not _touches(overrides, "template."):
        _check_template(tree, added, records)
    return added


def _name(record: Mapping[str, Any], group: str) -> Any:
    if not record:
        return None
    return record["template"].get("name") if group == "template" else record["train"]


def _touches(overrides: Sequence[Override], begin: str) -> bool:
    return any(override.key_or_group.startswith(begin) for override in overrides)


def _check_template(tree: Tree, added: Sequence[str], records: Mapping[str, Mapping[str, Any]]) -> None:
    cfg = tree.compose([f"model={CUSTOM}", *added])
    here = stated(Template, OmegaConf.to_container(cfg.template, resolve=True))
    for path, record in records.items():
        then = stated(Template, record["template"])
        changed = [key for key in {**here, **then} if here.get(key) != then.get(key)]
        if changed:
            raise UserError(
                f"{PATH}={path} was trained with template={then['name']}, but with template.{changed[0]}="
                f"{then.get(changed[0])!r}; choose template=... for the one here, and set what differs"
            )


def _refuse_contradiction(option: str, own: str, path: str) -> None:
    """UserError where a folder's config.json says that it is no copy of the option's model."""
    config, folder = config_of(path), local(path)
    if own == path or not config:
        return
    facts = []
    kind = re.sub(r"[^a-z]", "", str(config.get("model_type", "")).lower())
    if original := config_of(own):  # of the package
        facts = [f"{key} {config[key]}" for key in SHAPE if key in config and config[key] != original.get(key)]
    elif kind and not any(family in own.lower() for family in FAMILIES.get(kind, (kind,))):
        facts.append(f"model_type {config['model_type']}")
    elif (size := SIZE.search(own)) and "quantization_config" not in config:
        num_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        billions = num_bytes / BYTES.get(str(config.get("dtype") or config.get("torch_dtype")), 2) / 1e9
        if num_bytes and not 0.5 < billions / float(size[1]) < 2:
            facts.append(f"{billions:.2g} billion weights")
    if facts:
        raise UserError(
            f"model={option} {PATH}={path}: the folder is no copy of {own} ({', '.join(facts)}); leave model={option} out to "
            "run it under its own name, with template=... and train=... of your choice"
        )


def refuse_default(choice: ModelChoice, plain: Mapping[str, Any], asked: Sequence[str] = DATA) -> None:
    """UserError where nobody chose a model for other data than the lab's, or data for another model than the lab's; `asked`
    are the groups of data that are read."""
    dataset = plain["dataset"]
    target = dataset.get("_target_") if isinstance(dataset, Mapping) else None
    name = dataset.get("name") or target if isinstance(dataset, Mapping) else None
    if choice.is_default and isinstance(dataset, Mapping) and target != LAB and "dataset" in asked:
        own = "model=tiny" if target == FIRST_LAB else "model=NAME or model.path=FOLDER"
        raise UserError(
            f"dataset={name}: choose its model with {own}; the default, model=tiny-rules, knows the lab's letters alone "
            "(write model=tiny-rules if it is meant)"
        )
    if choice.is_default or _is_labs(str(plain["model"]["path"])):
        return
    if "dataset" in asked and target == LAB and "dataset" not in choice.chosen:
        raise UserError(
            f"model.path={plain['model']['path']}: choose its data with dataset=NAME; the default, dataset=rules, is letters "
            "that the lab's model alone knows (write dataset=rules if it is meant)"
        )
    is_letters = [(one.get("dataset") or {}).get("_target_") == LAB for one in (plain["eval"] or {}).values()]
    if (
        "eval" in asked
        and any(is_letters)
        and "eval" not in choice.chosen
        and (target != LAB or "dataset" not in asked)
    ):
        whose = f"dataset={name}" if "dataset" in asked else f"model.path={plain['model']['path']}"
        raise UserError(
            f"{whose}: choose benchmarks with eval=NAME; the default ones are the lab's letters (an option of a dataset "
            "proposes its own with `- override /eval@_global_.eval: [NAME]`, last in its defaults)"
        )


def _is_labs(path: str) -> bool:
    """Whether it is the lab's model, or a policy of it."""
    return LABS_MODEL in (path, record_of(path).get("model", {}).get("path"))


def in_words(plain: Mapping[str, Any]) -> str:
    """What a model that was given by its path runs with, and how to choose otherwise."""
    model = plain["model"]
    chosen = {
        "model.name": model["name"],
        "template": plain["template"].get("name"),
        "train": plain["train"].get("name"),
        "model.dtype": model["dtype"],
        "model.max_completion_tokens": model["max_completion_tokens"],
    }
    words = " ".join(f"{key}={value}" for key, value in chosen.items())
    return f"model.path={model['path']} runs with {words}; write any of these otherwise to choose another"
