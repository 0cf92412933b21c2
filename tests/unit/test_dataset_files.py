"""The shared copies of the published datasets, through the configuration files that users name."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ufo_rl.build import build
from ufo_rl.dataset import count_drops

CONF = Path(__file__).parents[2] / "conf"


def load(option, data):
    node = OmegaConf.to_container(OmegaConf.load(CONF / f"{option}.yaml"))
    assert isinstance(node, dict)
    if option.startswith("eval/"):
        node = node[Path(option).name]["dataset"]
    return build(node, option).load(data)


@pytest.mark.parametrize(
    ("option", "num_rows", "num_prompts", "dropped"),
    [
        ("dataset/gsm8k", 7473, 7473, {}),
        ("dataset/dapo-math-17k", 17398, 17255, {"duplicate": 138, "conflicting_label": 5}),
        ("eval/gsm8k", 1319, 1319, {}),
        ("eval/math500", 500, 500, {}),
    ],
)
def test_counts(shared_data, option, num_rows, num_prompts, dropped):
    pool = load(option, shared_data)
    assert (pool.num_rows, len(pool.prompts), count_drops(pool.drops)) == (num_rows, num_prompts, dropped)
    assert len({prompt.id for prompt in pool.prompts}) == num_prompts


def test_gsm8k_answers_are_bare_numbers(shared_data):
    prompts = load("dataset/gsm8k", shared_data).prompts
    assert [p.answer for p in prompts if not p.answer.lstrip("-").replace(".", "").isdecimal()] == []
    assert not any("<<" in p.solution for p in prompts)


def test_dapo_answers_are_integers(shared_data):
    assert all(p.answer.lstrip("-").isdecimal() for p in load("dataset/dapo-math-17k", shared_data).prompts)


def test_math500_has_levels_and_subjects(shared_data):
    prompts = load("eval/math500", shared_data).prompts
    assert {p.level for p in prompts} == {"1", "2", "3", "4", "5"}
    assert len({p.subject for p in prompts}) == 7
