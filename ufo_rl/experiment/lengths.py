"""Do the texts fit into the model? Beyond a table of positions a stage would end in an error of the library's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ufo_rl.config.schema import Config
from ufo_rl.errors import Problems
from ufo_rl.experiment.shots import drawn_shots
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.positions import num_positions
from ufo_rl.model.weights import local_folder
from ufo_rl.records import Prompt


def check_lengths(
    config: Config,
    prompts: Sequence[Prompt],
    benchmarks: Mapping[str, Sequence[Prompt]],
    completions: Mapping[str, int],
    chat: ChatModel | None = None,
) -> None:
    """UserError names every limit of completions that, behind the longest prompt, goes beyond the model's positions.

    completions: how many tokens follow a prompt of the pool at most, by the keys that say so. chat: of a model that was
    fetched from the hub; None before: then one in a folder is looked at.
    """
    local = local_folder(config.model)
    folder = local if chat is None else chat.folder
    if folder is None or (chat is not None and local is not None):
        return
    limit = num_positions(folder)
    if limit is None:
        return
    chat = chat or ChatModel(config.model, config.template, Path(config.paths.outputs) / "cache" / "fingerprints.json")
    problems = Problems()
    if prompts:
        longest = _longest(chat, [chat.render(prompt) for prompt in prompts], config.train.max_prompt_tokens)
        for key, tokens in completions.items() or [("", 1)]:  # scored alone: at least a token of the answer
            problems.add(*_beyond(config, limit, "the pool", longest, key, tokens))
    for name, questions in benchmarks.items():
        settings, drawn = config.eval[name], drawn_shots(name, config)
        asked = chat.asked_by(settings.template)
        texts = [asked.render(prompt, drawn.get(prompt.id, settings.few_shot)) for prompt in questions]
        key = f"eval.{name}.max_completion_tokens"
        problems.add(
            *_beyond(config, limit, f"eval={name}", _longest(asked, texts), key, settings.max_completion_tokens)
        )
    problems.raise_any()


def sampled(config: Config, signals: Sequence[str], trains: bool = False) -> dict[str, int]:
    """How many tokens a training and the named signals sample behind a prompt of the pool, by the keys that say so."""
    key = "max_completion_tokens"
    found = {f"signal.{name}": config.signal[name].get(key) for name in signals if name in config.signal}
    found |= {"train": config.train.max_completion_tokens} if trains else {}
    return {f"{name}.{key}": tokens for name, tokens in found.items() if isinstance(tokens, int)}


def _longest(chat: ChatModel, texts: Sequence[str], limit: int | None = None) -> int:
    """Tokens of the longest text of no more than `limit` tokens."""
    lengths = [len(ids) for ids in chat.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    return max((n for n in lengths if limit is None or n <= limit), default=0)


def _beyond(config: Config, limit: int, where: str, longest: int, key: str, tokens: int) -> list[str]:
    if longest + tokens <= limit:
        return []
    begin = f"model.path={config.model.path} has {limit} positions: the longest prompt of {where} has {longest} tokens"
    if longest >= limit:
        cure = (
            ""
            if key.startswith("eval.")
            else f"set train.max_prompt_tokens={max(1, limit // 2)} to leave such out, or "
        )
        return [f"{begin}; {cure}take a model with more positions"]
    return [f"{begin}, with {key}={tokens} it needs {longest + tokens}; set {key}={limit - longest} or less"]
