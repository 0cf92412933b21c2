"""Names that become folders, tags or addresses: one word everywhere, told by key, value and cure."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import run_id
from ufo_rl.config.load import load
from ufo_rl.errors import UserError

(DEFAULT,) = compose_jobs([])
KEYS = ("name", "model.name", "template.name", "train.name", "reward.name", "deepspeed.name")
PARTS = ("dataset.name", "selector.name", "grader.name")
WRONG = (
    "a" * 300,
    "a" * 65,
    "Qwen/Qwen3",
    "../../../evil",
    "a b",
    "",
    ".hidden",
    "-x",
    "naïve",
    "a:b",
    "..",
    "a\nb",
    "a%s/",
)
KIND = 'must be one word of at most 64 letters (a to z), digits, ".", "-" and "_" that begins with a letter or a digit'


def changed(key: str, value: Any) -> dict[str, Any]:
    plain = copy.deepcopy(DEFAULT.plain)
    *parents, last = key.split(".")
    node = plain
    for parent in parents:
        node = node[parent]
    node[last] = value
    return plain


@pytest.mark.parametrize("key", [*KEYS, *PARTS])
@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_a_name_is_one_word(key: str, value: str) -> None:
    with pytest.raises(UserError) as caught:
        load(changed(key, value))
    (problem,) = caught.value.problems
    assert problem.startswith(f'{key}="{value[:80]}') and KIND in problem and len(problem) < 400


@pytest.mark.parametrize("key", [*KEYS, *PARTS])
@pytest.mark.parametrize("value", ["a", "Qwen2.5-7B_x", "0", "a" * 64])
def test_every_word_is_a_name(key: str, value: str) -> None:
    load(changed(key, value))


@pytest.mark.parametrize("node", ["eval", "signal", "reward.parts"])
def test_keys_that_name_files_are_words_too(node: str) -> None:
    top, _, below = node.partition(".")
    plain = copy.deepcopy(DEFAULT.plain)
    nodes = plain[top][below] if below else plain[top]
    nodes["../x"] = nodes.pop(next(iter(nodes)))
    with pytest.raises(UserError) as caught:
        load(plain)
    assert [p.split(" must be")[0] for p in caught.value.problems] == [f'{node}: the key "../x"']


def test_the_longest_names_make_a_folder_that_every_system_takes() -> None:
    plain = copy.deepcopy(DEFAULT.plain)
    for group in ("model", "dataset", "selector"):
        plain[group]["name"] = "a" * 64
    plain["seed"], plain["ratio"]["value"] = 2**32 - 1, 0.123456
    load(plain)
    assert len(run_id(plain)) <= 255
    with pytest.raises(UserError, match=r"^seed=4294967296 must be in \[0, 4294967295\]$"):
        load(changed("seed", 2**32))
