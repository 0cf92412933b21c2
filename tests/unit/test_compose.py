"""From a command line to its jobs: every wrong name at once, and the grid that Hydra would run."""

from __future__ import annotations

from pathlib import Path
from random import seed

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

import ufo_rl
from ufo_rl.config.compose import compose_jobs, compose_one, for_hydra, plain_config
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.grid import grid
from ufo_rl.config.identity import run_id
from ufo_rl.config.load import load
from ufo_rl.config.tree import open_tree
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import prepare


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


PAPER_AND_NONE = (["qwen2.5-7b", "gsm8k"], ["tiny-rules", "rules"])


@pytest.mark.parametrize("words", [["experiment=paper,null"], ["experiment=choice(paper,[])"]])
def test_a_preset_is_swept_with_none(words: list[str]) -> None:
    jobs = compose_jobs(words, multirun=True)
    assert [[job.plain["model"]["name"], job.plain["dataset"]["name"]] for job in jobs] == [*PAPER_AND_NONE]
    assert compose_jobs(["experiment=null"])[0].plain == compose_jobs([])[0].plain
    for job, text in zip(jobs, ("experiment=paper", "experiment=[]"), strict=True):
        with open_tree(None, None) as tree:  # by Hydra
            assert plain_config(tree.compose([text])) == job.plain
    assert for_hydra(["experiment=paper,null", "seed=null"], None, None) == ["experiment=paper,[]", "seed=null"]


def test_signals_are_swept_as_lists_and_may_be_none() -> None:
    jobs = compose_jobs(["signal=[confidence],[confidence,pass_rate],[]", "selector=random"], multirun=True)
    assert [list(job.plain["signal"]) for job in jobs] == [["confidence"], ["confidence", "pass_rate"], []]
    (job,) = compose_jobs(["signal=[]", "selector=random", "dataset.num_prompts=960"])
    assert prepare(load(job.plain)).signals == {}
    assert len({job.folder for job in jobs}) == 1  # random measures nothing: one run


def test_a_mapping_sets_keys_of_the_chosen_option() -> None:
    (job,) = compose_jobs(["dataset={num_prompts:96}", "contamination={ngram:5,remove:true}"])
    assert job.plain["dataset"]["num_prompts"] == 96 and job.plain["dataset"]["name"] == "rules"
    assert job.plain["contamination"] == {"ngram": 5, "threshold": 0.8, "remove": True}
    swept = compose_jobs(["train={max_steps:3},{beta:0.1}"], multirun=True)
    assert [job.plain["train"]["beta"] for job in swept] == [swept[0].plain["train"]["beta"], 0.1]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            "-m selector=glob(zz*)",
            "selector=glob(zz*): no value, and so no job: it matches no option; write selector=a,b",
        ),
        ("-m seed=range(0,0)", "seed=range(0,0): no value, and so no job: it ends before it begins; write seed=a,b"),
        ("-m seed=range(0,5,0)", "seed=range(0,5,0): a range takes finite bounds and a step other than 0"),
        ("-m seed=range(0,1e9)", "seed=range(0,1e9): 1,000,000,000 values, 10,000 at most"),
        (
            "-m seed=range(0,200) train.max_steps=range(1,100)",
            "the sweep has 19,800 jobs (seed 200, train.max_steps 99 values)",
        ),
        ("-m seed=choice()", "seed=choice(): not understood"),
        ("-m seed=0,1,0", "seed=0,1,0: 0 is there twice; give each value once"),
        ("-m selector=ufo,ufo", "selector=ufo,ufo: ufo is there twice"),
        ("-m ratio.value=interval(0,1)", "ratio.value=interval(0,1): an interval has no list of values"),
        ("selector=[]", "selector=[]: a run needs a selector; choose one of accuracy, band"),
        ("selector=null", "selector=null: a run needs a selector"),
        ("~selector", "~selector: a run needs a selector"),
        ("~signal", "~signal: write signal=[...] with the options that stay"),
        ("selector=[ufo,random]", "selector=[ufo,random]: one option at a time; to run each: -m selector=ufo,random"),
        ("eval=[gsm8k,gsm8k]", "eval=[gsm8k,gsm8k]: gsm8k is there twice; name each option once"),
        ("+selector=ufo", "+selector=ufo: options are chosen without +; write selector=ufo"),
        ("dataset={nm:96}", "dataset={nm:96}: no such key nm"),
        (
            "reward.parts={x:{weight:1}}",
            "reward.parts={x:{weight:1}}: no such key x; to add keys: +reward.parts={x:{weight:1}}",
        ),
        (
            "-m selector=random,ufo selector.center=median",
            "selector.center=median: no such key (keys of selector: _target_",
        ),
        ("-m seed=0,1 train.lrr=1,2", "train.lrr=1,2: no such key"),
        ("hydra/launcher=ray", "hydra/launcher=ray is not installed; pip install hydra-ray-launcher"),
        ("hydra/sweeper=optuna", "hydra/sweeper=optuna is not installed; pip install hydra-optuna-sweeper"),
        ("hydra/launcher=basics", 'hydra/launcher=basics: no such option; did you mean "basic"?'),
        ("hydra.job.chdir=true", "hydra.job.chdir=true: the relative paths of a run would lose their meaning"),
        ("hydra.run.dir='~/x'", "hydra.run.dir=~/x: Hydra takes ~ for a folder's name; write ${oc.env:HOME}"),
        ("-m hydra.sweeper.max_batch_size=0", "hydra.sweeper.max_batch_size=0 must be a whole number >= 1"),
        ("+hydra.sweeper.params={seed:1}", "+hydra.sweeper.params={seed:1}: Hydra cannot compose this ("),
    ],
)
def test_a_sweep_of_nothing_and_its_neighbours_are_told_in_one_line(words: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        compose_jobs([word for word in words.split() if word != "-m"], multirun="-m" in words.split())
    (found,) = caught.value.problems
    assert found.startswith(problem)


def test_a_key_that_one_option_of_a_sweep_lacks_is_told_with_that_option() -> None:
    with pytest.raises(UserError, match=r"^selector.center=median: no such key .* \(where selector=random\)$"):
        compose_jobs(["selector=ufo,random", "selector.center=median", "seed=0,1"], multirun=True)


def test_the_folders_of_jobs_are_those_that_hydra_names() -> None:
    numbered = compose_jobs(["hydra.sweep.subdir=${hydra.job.num}", "seed=3,4"], multirun=True)
    assert [job.folder.as_posix() for job in numbered] == ["outputs/sweeps/dev/0", "outputs/sweeps/dev/1"]
    named = compose_jobs(["hydra.sweep.subdir=${hydra.job.override_dirname}", "seed=3,4"], multirun=True)
    assert [job.folder.name for job in named] == ["seed=3", "seed=4"]


def test_a_preset_of_the_users_may_hold_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params: {selector: 'ufo,random', seed: 'range(0,2)'}\n"
    )
    assert len(compose_jobs(["experiment=mine"], str(tmp_path), multirun=True)) == 4
    assert len(compose_jobs(["experiment=mine", "selector=full"], str(tmp_path), multirun=True)) == 2
    (tmp_path / "null.yaml").write_text(
        "defaults: [config, _self_]\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {experiment: 'paper,null'}\n"
    )
    with pytest.raises(UserError, match=r"^hydra.sweeper.params.experiment: Hydra takes no null there; write \[\]$"):
        compose_jobs([], str(tmp_path), "null")
    found = compose_jobs([f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"], multirun=True)
    assert len(found) == 4


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
