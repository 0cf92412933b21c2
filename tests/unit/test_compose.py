"""From a command line to its jobs: every wrong name at once, and the grid that Hydra would run."""

from __future__ import annotations

from pathlib import Path
from random import seed

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

import ufo_rl
from ufo_rl.config.compose import compose_jobs, compose_one
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.grid import grid
from ufo_rl.config.identity import run_id
from ufo_rl.config.tree import open_tree
from ufo_rl.errors import UserError


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["selector=ufoo"], ['selector=ufoo: no such option; did you mean "ufo"? (options: ']),
        (
            ["selector=ufoo", "train.lrr=1", "modle=tiny"],
            [
                "selector=ufoo: no such option",
                "train.lrr=1: no such key (keys of train",
                'modle=tiny: no such key; did you mean "model"?',
            ],
        ),
        (["ratio=5pct"], ['ratio=5pct: no such option; did you mean "50pct" or "05pct"?']),
        (
            ["ratio=0.1"],
            [
                "ratio=0.1: no such option (options: 01pct, 05pct, 10pct, 20pct, 50pct, full); for any other value: "
                "ratio.value=0.1"
            ],
        ),
        (["+train.momentum=0.9"], ["+train.momentum=0.9: no such key (keys of train"]),
        (["~train.beta"], ["~train.beta: keys are neither added nor removed; set one with train.beta=VALUE"]),
        (["seed=0,1"], ["seed=0,1: several values; add -m to run them all"]),
        (["model=tiny ratio=10pct"], ["model=tiny ratio=10pct: not understood"]),
        (["experiment=null"], ["experiment=null: a group is left out with ~experiment (options: "]),
        (["hydra.job.chdir=true,false", "-m"], ["hydra.job.chdir=true,false: Hydra's own keys take one value"]),
        (["eval=[arithmetic],[math50]", "-m"], ['eval=math50: no such option; did you mean "math500"?']),
        (["seed=interval(0,1)", "-m"], ["seed=interval(0,1): an interval has no list of values"]),
        (
            ["+deepspeed.config.gradient_clipping=1"],
            ["+deepspeed.config.gradient_clipping=1: deepspeed.config.gradient_clipping is there already; to set it: "],
        ),
    ],
)
def test_wrong_names_are_all_reported(overrides: list[str], expected: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        compose_jobs([word for word in overrides if word != "-m"], multirun="-m" in overrides)
    assert len(caught.value.problems) == len(expected)
    for found, begins in zip(caught.value.problems, expected, strict=True):
        assert found.startswith(begins)


def test_a_sweep_has_every_job() -> None:
    jobs = compose_jobs(["selector=ufo,random", "ratio=05pct,10pct", "seed=0,1"], None, None, True)
    assert len({job.folder for job in jobs}) == 8
    assert {job.folder.parent.as_posix() for job in jobs} == {"outputs/sweeps/dev"}


def test_a_removed_key_is_gone_in_every_job_of_a_sweep() -> None:
    jobs = compose_jobs(["~deepspeed.config.gradient_clipping", "seed=0,1"], None, None, True)
    (alone,) = compose_jobs(["~deepspeed.config.gradient_clipping"])
    assert all("gradient_clipping" not in job.plain["deepspeed"]["config"] for job in jobs)
    assert jobs[0].folder.name == alone.folder.name == run_id(jobs[0].plain)


def test_a_list_of_options_may_be_swept() -> None:
    jobs = compose_jobs(["eval=[arithmetic],[math500,gsm8k]"], multirun=True)
    assert [list(job.plain["eval"]) for job in jobs] == [["arithmetic"], ["math500", "gsm8k"]]


@pytest.mark.parametrize(
    "words",
    [
        ["selector=ufo,random", "seed=0,1,2"],
        ["seed=0,1", "name=a", "seed=range(1,7,2)", "train.beta=0.1"],
        ["model=glob(qwen*)", "~deepspeed.config.gradient_clipping", "+deepspeed.config.x={a:1}", "name='b c',d"],
        ["eval=[a],[b,c]", "dataset.num_prompts=choice(1,2)", 'template.user="{question}, now"', "selector=null"],
        ["seed=shuffle(3,1,2)", "train.max_steps=sort(3,1,2)", "++reward.parts.x=1,2"],
    ],
)
def test_a_grid_is_that_of_hydras_basic_sweeper(words: list[str]) -> None:
    with open_tree(None, None) as tree:
        seed(0)
        expected = BasicSweeper.split_arguments(tree.parse(words), None)[0]
        seed(0)
        assert grid(tree.parse(words)) == expected and len(expected) > 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"name: x\n_target_: [a\n", ":3: no YAML (expected ',' or ']'"),
        (b"a: 1\na: 2\n", ":2: no YAML (found duplicate key a)"),
        (b"name: x\n# \xe4\n", ":2: no UTF-8 (invalid continuation byte)"),
        (b'name: "\x01"\n', ": no YAML (character 7: special characters are not allowed)"),
    ],
)
def test_a_broken_file_of_the_users_is_told_by_its_place(tmp_path: Path, text: bytes, problem: str) -> None:
    (tmp_path / "selector").mkdir()
    (tmp_path / "selector/mine.yaml").write_bytes(text)
    with pytest.raises(UserError) as caught:
        compose_jobs(["selector=mine"], str(tmp_path))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"{tmp_path}/selector/mine.yaml{problem}")


@pytest.mark.parametrize("command", ["doctor", "contamination"])
def test_a_command_for_one_configuration_says_how_to_choose_from_a_sweep(command: str) -> None:
    sweeps = str(conf_folder().parent / "sweeps")
    with pytest.raises(
        UserError, match=rf"^{command}: ratio is a sweep, .*; choose selector=..., ratio=..., seed=...$"
    ):
        compose_one([], sweeps, "ratio", command)
    with pytest.raises(UserError, match=rf"^seed=0,1: several values; {command} takes one$"):
        compose_one(["seed=0,1"], None, None, command)
    assert compose_one(["selector=ufo", "ratio=05pct", "seed=1"], sweeps, "ratio", command).plain["seed"] == 1


def test_hydra_is_used_through_what_it_makes_public() -> None:
    for path in Path(ufo_rl.__file__).parent.rglob("*.py"):
        assert "hydra._internal" not in path.read_text(), path
