"""Values as people type them: taken, or told by key, value and cure; never as another's."""

from __future__ import annotations

import pytest

from ufo_rl.commands import commands
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import check, prepare


def test_a_single_run_may_be_named_by_hydras_own_words_but_the_number_of_a_job() -> None:
    (job,) = compose_jobs(["hydra.run.dir=runs/${hydra.job.override_dirname}", "seed=3"])
    assert str(job.folder) == "runs/seed=3"
    with pytest.raises(UserError, match=r"hydra\.job\.num"):
        compose_jobs(["hydra.run.dir=runs/${hydra.job.num}"])


@pytest.mark.parametrize("key", ["paths.outputs", "model.path", "hydra.run.dir"])
def test_a_tilde_needs_no_quotes(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    (job,) = compose_jobs([f"{key}=~/some/where"])
    assert "/home/somebody/some/where" in (str(job.folder), job.plain["paths"]["outputs"], job.plain["model"]["path"])
    jobs = compose_jobs(["paths.outputs=~/a,b"], multirun=True)
    assert [job.plain["paths"]["outputs"] for job in jobs] == ["/home/somebody/a", "b"]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["selector.name=random"], "selector.name=random: this is selector=ufo"),
        (["dataset.name=gsm8k"], "dataset.name=gsm8k: this is dataset=rules"),
        (["model={name:qwen2.5-0.5b}"], "model.name=qwen2.5-0.5b: this is model=tiny-rules"),
        (["engine.name=vllm"], "engine.name=vllm: this is engine=hf"),
        (["experiment=paper", "model=tiny", "train.name=lab"], "train.name=lab: this is train=paper"),
    ],
)
def test_no_option_runs_under_the_name_of_another(overrides: list[str], told: str) -> None:
    with pytest.raises(UserError) as caught:
        compose_jobs(overrides)
    (problem,) = caught.value.problems
    assert problem.startswith(told) and f"choose it with {told.split(':')[0].replace('.name', '')}" in problem
    compose_jobs(["selector.name=mine", "dataset.name=sums"])


@pytest.mark.parametrize("ratio", ["nan", "inf", "1e-9", "abc", "null"])
def test_a_ratio_that_is_none_is_told_as_that(ratio: str) -> None:
    (job,) = compose_jobs([f"ratio.value={ratio}"])
    with pytest.raises(UserError, match=r"^ratio.value="):
        prepare(load(job.plain))


def test_outputs_of_null_are_told_by_their_key() -> None:
    (job,) = compose_jobs(["paths.outputs=null"])
    with pytest.raises(UserError, match=r"paths\.outputs=null must be text"):
        load(job.plain)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["dataset.num_prompts=1e3", "dataset.seed=abc"], ["num_prompts=1000.0 must be a whole", "seed=abc must be a"]),
        (
            ["dataset.num_prompts=null", "dataset.levels=3"],
            ["num_prompts=null must be a whole", "levels=3 must be a list"],
        ),
        (["dataset.num_prompts=true"], ["num_prompts=true must be a whole number"]),
        (["selector=band", "selector.low=abc"], ["low=abc must be a number"]),
        (["dataset=gsm8k", "model=tiny", "dataset.revision=5"], ["revision=5 must be text"]),
    ],
)
def test_arguments_of_datasets_and_selectors_have_their_types(overrides: list[str], told: list[str]) -> None:
    (job,) = compose_jobs(overrides)
    with pytest.raises(UserError) as caught:
        prepare(load(job.plain))
    group = overrides[0].replace("=", ".").split(".")[0]
    found = [problem.removeprefix(f"{group}.") for problem in caught.value.problems]
    assert len(found) == len(told) and all(one.startswith(two) for one, two in zip(found, told, strict=True)), found


def test_a_wrong_argument_of_a_benchmarks_dataset_is_told_by_its_own_key() -> None:
    (job,) = compose_jobs(["eval.rules_zone.dataset.num_prompts=0"])
    with pytest.raises(UserError, match=r"^eval.rules_zone.dataset.num_prompts=0 is below 1"):
        prepare(load(job.plain))


@pytest.mark.parametrize("flag", ["--cfg=job", "--resolve", "--info", "--config-path=x", "--hydra-help"])
@pytest.mark.parametrize("command", ["evaluate", "score", "select", "doctor", "contamination"])
def test_a_flag_that_a_command_would_ignore_is_told(command: str, flag: str) -> None:
    with pytest.raises(UserError, match=rf"^{flag.split('=')[0]}: no flag of this command"):
        commands()[command].status(["seed=1", flag])


def test_a_signal_that_is_wrong_or_not_chosen_is_told_alone() -> None:
    for overrides in (["selector=accuracy", "signal=[confidence]"], ["signal.confidence.precision=16"]):
        with pytest.raises(UserError) as caught:
            check(compose_jobs(overrides)[0].plain)
        assert len(caught.value.problems) == 1
