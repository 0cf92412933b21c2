"""Models whose positions end: what goes beyond is told by the parent; a stage would end in an IndexError of the library's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tiny_architectures import build, saved
from ufo_rl.config.compose import compose_one
from ufo_rl.config.folder_facts import tokens_of
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.lengths import check_lengths, sampled
from ufo_rl.model.positions import num_positions
from ufo_rl.model.weights import packaged
from ufo_rl.records import Prompt

POSITIONS = 512  # of tests.tiny_architectures
PROMPT = Prompt("p", "12+34=?", "46")
ENDS = ("gpt2", "gpt_neo", "gpt_bigcode", "gptj", "codegen", "opt", "biogpt", "openai-gpt")


@pytest.mark.parametrize("name", [*ENDS, "qwen2", "gpt_neox", "bloom", "falcon"])
def test_where_positions_end_is_known_from_the_files(name: str, tmp_path: Path) -> None:
    """By the model itself: one token more than there are positions, and it raises."""
    limit, model = num_positions(saved(name, tmp_path)), build(name)
    assert limit == (POSITIONS if name in ENDS else None)
    with torch.inference_mode():
        model(input_ids=torch.ones(1, POSITIONS, dtype=torch.long), use_cache=False)
        beyond = torch.ones(1, POSITIONS + 1, dtype=torch.long)
        if limit is None:
            model(input_ids=beyond, use_cache=False)
            return
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=beyond, use_cache=False)


def test_prompts_and_completions_must_fit_and_defaults_do(tmp_path: Path) -> None:
    folder = saved("gpt2", tmp_path / "mine")
    options = [f"model.path={folder}", "template=short", "dataset=arithmetic", f"paths.outputs={tmp_path}"]
    config = load(compose_one(options, None, None, "test").plain)
    assert (
        config.model.max_completion_tokens == tokens_of(str(folder)) == POSITIONS // 2
    )  # its name for them: n_positions
    asked = {"arithmetic": [PROMPT]}
    check_lengths(config, [PROMPT], asked, {"train.max_completion_tokens": 256})
    with pytest.raises(UserError) as told:
        check_lengths(config, [PROMPT], asked, {"train.max_completion_tokens": 510})
    (problem,) = told.value.problems
    assert f"has {POSITIONS} positions" in problem and "set train.max_completion_tokens=" in problem
    long = Prompt("q", "1+" * 600 + "1=?", "601")
    with pytest.raises(UserError, match=r"has 12.. tokens; take a model with more positions"):
        check_lengths(config, [], {"arithmetic": [long]}, {})
    check_lengths(config, [long], {}, {})  # the recipe leaves it out of the pool
    config = load(compose_one([*options, "train.max_prompt_tokens=null"], None, None, "test").plain)
    with pytest.raises(UserError, match=r"has 12.. tokens; set train\.max_prompt_tokens=256 to leave such out"):
        check_lengths(config, [long], {}, {})


def test_what_follows_a_prompt_is_what_is_sampled(tmp_path: Path) -> None:
    options = [
        "train.max_completion_tokens=7",
        "signal=[confidence,pass_rate]",
        "signal.pass_rate.max_completion_tokens=9",
    ]
    config = load(compose_one([*options, "selector=accuracy"], None, None, "test").plain)
    assert sampled(config, ["confidence"]) == {}
    both = {"train.max_completion_tokens": 7, "signal.pass_rate.max_completion_tokens": 9}
    assert sampled(config, ["confidence", "pass_rate"], trains=True) == both
    assert num_positions(packaged("package:lab/tiny")) is None
