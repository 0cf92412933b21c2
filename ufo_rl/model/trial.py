"""A model tried without computing: its configuration, the names and shapes of its weights, its tokenizer, its template.

Imports torch; the weights are read once, to see that they are numbers, and never held.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, GenerationConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from ufo_rl.config.schema import Shot, Template
from ufo_rl.errors import Problems, UserError, in_a_line, nearest
from ufo_rl.model.folder import CONFIG, FITTING, read_object, tensors_of, weight_files
from ufo_rl.model.probe import check_template
from ufo_rl.model.weights import load_tokenizer
from ufo_rl.model.whole import check_numbers, load_whole

# How the names of classes end whose head is none of a language model's.
OTHER_HEADS = (
    "ForMaskedLM",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "ForRewardModel",
    "RewardModel",
)


def check_model(
    folder: Path,
    called: str,
    ways: Sequence[tuple[Template, Sequence[Sequence[Shot]]]],
    chat_template: str | None = None,
) -> None:
    """UserError with everything that would keep the model in `folder`, whose files are sound, from being what it is taken
    for.

    called: how the user named it. ways: templates and worked examples, see `check_template`. chat_template: the text of one
    that stands in place of its own.
    """
    problems = Problems()
    model = problems.attempt(_model_of, folder, called)
    problems.attempt(check_numbers, folder, called)
    problems.attempt(_check_generation, folder, called)
    tokenizer = problems.attempt(load_tokenizer, folder, chat_template)
    if tokenizer is not None:
        for template, few_shot in ways:
            problems.attempt(check_template, tokenizer, folder, template, few_shot)
        ids = problems.attempt(_ids_of, tokenizer, folder)
        if model is not None:
            problems.attempt(_check_ids, folder, called, tokenizer, model, ids or [])
    problems.raise_any()


def _model_of(folder: Path, called: str) -> PreTrainedModel | None:
    """The model without numbers, every tensor in its place; None where its architecture cannot be built so: then a rank
    finds out."""
    _check_kind(folder, called)
    layers, held = _num_layers(folder), sum(len(tensors_of(path, called)) for path in weight_files(folder))
    if layers > held:  # building so many would take for ever
        raise UserError(f"{called}: {CONFIG} says {layers} layers, the weights are {held} tensors; {FITTING}")
    try:
        return load_whole(folder, called, device_map="meta")
    except UserError:
        raise
    except Exception as error:
        if "meta" in str(error):
            return None
        raise UserError(f"{called}: {CONFIG} makes no model ({in_a_line(error)}); {FITTING}") from error


def _num_layers(folder: Path) -> int:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    found = getattr(config.get_text_config(), "num_hidden_layers", None)
    return found if isinstance(found, int) else 0


def _check_kind(folder: Path, called: str) -> None:
    """The model must be a causal one that transformers knows."""
    plain = read_object(folder / CONFIG, called)
    kind = plain["model_type"]
    if kind not in CONFIG_MAPPING:
        cure = (
            "it needs code of its own (auto_map), which is never run"
            if "auto_map" in plain
            else f"take the version that the model asks for{nearest(kind, CONFIG_MAPPING)}"
        )
        raise UserError(f"{called}: model_type={kind} is not known to this version of transformers; {cure}")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise UserError(
            f"{called}: {CONFIG} is no valid configuration of {kind} ({in_a_line(error)}); mend it"
        ) from error
    names = plain.get("architectures") or []
    own = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    reads_both_ways = type(config) in MODEL_FOR_MASKED_LM_MAPPING and getattr(config, "is_decoder", True) is not True
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or own.endswith(OTHER_HEADS) or reads_both_ways:
        raise UserError(
            f"{called}: {f'{own} of ' if own else ''}model_type={kind} is no causal language model; only models that predict "
            "the next token are scored and trained"
        )


def _check_generation(folder: Path, called: str) -> None:
    if not (folder / "generation_config.json").is_file():
        return
    try:
        GenerationConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise UserError(
            f"{called}: generation_config.json is no valid generation configuration ({in_a_line(error)}); mend or remove it"
        ) from error


def _ids_of(tokenizer: Any, folder: Path) -> list[int]:
    """The tokens of a text, which is tried as the stages do it."""
    try:
        (ids,) = tokenizer(["What is 47+5-12?"], add_special_tokens=False)["input_ids"]
        tokenizer.pad({"input_ids": [ids, ids[1:]]}, padding_side="left", return_tensors="pt")
    except Exception as error:
        raise UserError(
            f"the tokenizer in {folder} cannot read a text ({in_a_line(error)}); take the files that belong to it"
        ) from error
    return ids


def _check_ids(folder: Path, called: str, tokenizer: Any, model: PreTrainedModel, ids: Sequence[int]) -> None:
    """Every token that the model may be given or must say has its row in the embedding. ids: those of a text."""
    embedding: Any = model.get_input_embeddings()
    rows, problems = embedding.weight.shape[0], Problems()
    cure = "take the tokenizer that belongs to these weights"
    added = set(tokenizer.get_added_vocab())
    highest = max((number for token, number in tokenizer.get_vocab().items() if token not in added), default=-1)
    highest = max(highest, *ids, -1)
    if highest >= rows:
        problems.add(
            f"{called}: its tokenizer has tokens up to {highest}, the model knows {rows} (0 to {rows - 1}); {cure}"
        )
    special = {f"{name}_token": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "eos", "bos", "unk")}
    for name, number in special.items():
        if number is not None and number >= rows:
            token = tokenizer.convert_ids_to_tokens(number)
            problems.add(
                f"{called}: the tokenizer's {name} {token} is token {number}, the model knows {rows} (0 to {rows - 1}); "
                f"{cure}, or give {name} in tokenizer_config.json to a token that the model knows"
            )
    for path in (folder / "generation_config.json", folder / CONFIG):
        found = read_object(path, called).get("eos_token_id") if path.is_file() else None
        if found is None:
            continue
        if not all(type(one) is int and 0 <= one < rows for one in (found if isinstance(found, list) else [found])):
            problems.add(f"{called}: {path.name}: eos_token_id={found} must name tokens of the model, 0 to {rows - 1}")
        break  # the other is not asked
    problems.raise_any()
