"""The plan's numbers against calculations by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.cli import main
from ufo_rl.commands.plan.amounts import num_sets, training_amounts
from ufo_rl.commands.plan.hours import operations
from ufo_rl.commands.plan.job_plan import JobPlan
from ufo_rl.commands.plan.jobs import plans_of
from ufo_rl.commands.plan.options import PlanOptions, split
from ufo_rl.commands.plan.shown import shown, together
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.load import load
from ufo_rl.config.training_schema import Train
from ufo_rl.errors import UserError
from ufo_rl.model.unloaded.architecture import Architecture, known_configs
from ufo_rl.training.memory.layout import GIB


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UFO_RL_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def planned(*overrides: str, **options: Any) -> JobPlan:
    (plan,) = plans_of(overrides, None, None, False, PlanOptions(**options))
    return plan


def train_of(*overrides: str) -> Train:
    (job,) = compose_jobs(list(overrides))
    return load(job.plain).train


@pytest.mark.parametrize("path", known_configs())
def test_parameters_of_the_shipped_sizes_are_the_published_totals(path: str) -> None:
    config = known_configs()[path]
    assert Architecture.of(config, path).num_parameters == config["num_parameters"]


def test_every_shipped_model_is_known() -> None:
    for option in (conf_folder() / "model").glob("*.yaml"):
        path = re.search(r"^path: (\S+)$", option.read_text(), re.MULTILINE)
        assert path is not None
        assert path[1].startswith(("package:", "???")) or path[1] in known_configs()


def test_the_papers_experiment_by_hand() -> None:
    plan = planned("experiment=paper", gpu="h100")
    # 7,473 prompts of GSM8K, a tenth: 747. A set is 7 completions x 2 passes x 8 ranks / 7 = 16 prompts; 747 // 16 = 46.
    assert (plan.basis.num_pool, plan.basis.kept) == (7473, 747)
    assert plan.amounts is not None and plan.memory is not None
    assert (plan.amounts.per_set, plan.amounts.steps, plan.amounts.sets) == (16, 46, 46)
    assert plan.amounts.completions == 46 * 16 * 7 == 5152 and plan.amounts.max_tokens == 5152 * 1024
    assert plan.amounts.left_out == 747 - 46 * 16 == 11
    assert plan.questions == {"gsm8k": 1319, "math500": 500} and plan.answers == 2 * 1819
    held = {part.name: part.bytes for part in plan.memory.throughout}
    count = 7_615_616_512
    assert held == {"weights": 2 * count, "optimizer": 12 * count / 8, "reference": 2 * count}
    assert plan.memory.phase == "backward"
    # 7 rows x (512 + 1,024) tokens; each layer's input in 2 bytes, and one layer's own: 8 h + 2 (4 h + 4 q + 4 i + width)
    tokens, own = 7 * 1536, 8 * 3584 + 2 * (8 * 3584 + 4 * 18944 + 1536)
    backward = sum(part.bytes for part in plan.memory.phases["backward"])
    head = 4096 * 32768 * 2 + 152064 * 3584 * 4  # a tile, and the head's gradient in float32
    assert backward == tokens * (28 * 3584 * 2 + own) + head + 2 * count / 8 + 5e8 * 2  # gradients so far, and a bucket
    assert (
        plan.fits and plan.memory.peak < 0.9 * 79.6 * GIB and not [one for one in plan.findings if one.name == "memory"]
    )


def test_the_papers_arithmetic_is_shown() -> None:
    text = shown(planned("experiment=paper", gpu="h100", free_disk=1000.0), explain=True)
    assert "7,473 prompts" in text and "747 kept prompts, 46 steps, 5,152 completions in 46 sets of 16" in text
    assert "16 prompts a set = 7 completions x 2 passes x 8 ranks / 7 a prompt" in text
    assert "weights 14.19 GiB = 7.62e+09 x 2 B" in text and "optimizer 10.64 GiB = 7.62e+09 x 12 B / 8" in text
    assert "fits into 71.6 of 79.6 GiB" in text and "nothing was found" in text
    assert max(map(len, text.splitlines())) <= 120


def test_one_gpu_runs_the_same_steps_with_adapters() -> None:
    plan = planned("experiment=paper-1gpu", gpu="h100")
    assert plan.amounts is not None and plan.layout is not None and plan.fits
    assert (plan.amounts.per_set, plan.amounts.steps, plan.amounts.completions) == (16, 46, 5152)
    hidden, inner, queries, keys = 3584, 18944, 3584, 512
    layer = 2 * (hidden + queries) + 2 * (hidden + keys) + 3 * (hidden + inner)
    assert plan.layout.trained == 28 * 16 * layer and not plan.layout.has_reference


@pytest.mark.parametrize(
    ("overrides", "kept", "ranks", "steps", "sets"),
    [
        ((), 200, 1, 60, 60),  # train=rules: max_steps=60
        (("train.max_steps=null",), 200, 1, 25, 25),  # 200 / 8 prompts a set
        (("train.max_steps=null", "train.num_train_epochs=1.5"), 60, 1, 11, 11),  # 7 sets an epoch
        (
            ("train.max_steps=null", "train.gradient_accumulation_steps=4", "+train.trl.steps_per_generation=1"),
            80,
            1,
            3,
            10,
        ),
        (("train.max_steps=null", "train.num_iterations=2"), 80, 1, 20, 10),  # each set is used twice
        # 128 completions of 8 a prompt: 16 prompts a set, 40 // 16 = 2 sets, each of 128 / 64 = 2 steps
        (("train.max_steps=null", "+train.trl.generation_batch_size=128"), 40, 1, 4, 2),
        # on 2 ranks 128 completions are one pass of each: 2 sets, 2 steps
        (("train.max_steps=null", "+train.trl.generation_batch_size=128"), 40, 2, 2, 2),
        (("train.max_steps=7", "train.num_iterations=2"), 80, 2, 7, 4),
    ],
)
def test_sets_of_completions_are_counted_as_trl_generates(
    overrides: tuple[str, ...], kept: int, ranks: int, steps: int, sets: int
) -> None:
    train = train_of("model=tiny-rules", *overrides)
    found = training_amounts(train, kept, ranks)
    assert (found.steps, found.sets) == (steps, sets) and num_sets(train, kept, ranks, steps) == sets
    assert found.completions == sets * found.per_set * train.num_generations


def test_a_budget_of_tokens_has_no_steps_but_a_bound() -> None:
    found = training_amounts(
        train_of("model=tiny-rules", "train.budget=generated_tokens", "train.max_generated_tokens=5000"), 80, 1
    )
    assert found.steps is None and found.max_tokens == 5000


def test_shared_scoring_is_counted_once_in_the_table() -> None:
    plans = plans_of(["model=tiny-rules", "ratio=05pct,10pct", "selector=ufo,random"], None, None, True, PlanOptions())
    lines = together(plans).splitlines()
    assert (
        len(plans) == 4 and sum("2,000" in line for line in lines) == 1 and sum("shared" in line for line in lines) == 1
    )


def test_nothing_is_claimed_of_a_speed_that_nobody_gave() -> None:
    plan = planned("experiment=paper", gpu="h100")
    assert plan.total_hours is None and all(
        part.hours is None and "unknown; give" in part.source for part in plan.hours
    )
    given = planned("experiment=paper", gpu="h100", utilization=0.5, tokens_per_second=1000.0, mean_tokens=256.0)
    hours = {part.part: part.hours for part in given.hours}
    assert hours["rollouts"] == pytest.approx(5152 * 256 / 1000 / 3600)
    tokens = 5152 * (256 + given.basis.tokens.mean) if given.basis.tokens else 0
    assert hours["update"] == pytest.approx(10 * 7_615_616_512 * tokens / (989e12 * 0.5) / 3600)


@pytest.mark.parametrize(
    ("overrides", "ranks", "expected"),
    [
        ((), 8, 10),  # the paper: 6, 2 of checkpoints, 2 of the reference
        (("train.beta=0",), 8, 8),
        (("train.beta=0", "train.gradient_checkpointing=false"), 8, 6),
        (("train.lora.rank=16",), 8, 8),  # no gradient of the weights; the base is the reference
        (("rollout=vllm_colocate",), 8, 12),  # old log-probabilities, to correct vLLM's samples
        (("rollout=vllm_colocate", "rollout.correction=none"), 8, 10),
        # 2 passes twice, 2 of them a step: 2 x (6 + 2), a reference and old log-probabilities once
        (("train.num_iterations=2",), 8, 20),
        (("train.trl.steps_per_generation=1",), 8, 10),  # a step is two whole sets
        (("train.trl.generation_batch_size=224",), 8, 12),  # 224 / 7 / 8 = 4 passes: a set is two steps
    ],
)
def test_operations_of_an_update_by_hand(overrides: tuple[str, ...], ranks: int, expected: int) -> None:
    (job,) = compose_jobs(["experiment=paper", *overrides])
    config = load(job.plain)
    assert operations(config.train, config.rollout, ranks) == expected


def test_a_training_that_ends_with_its_time_takes_that_time_on_every_rank() -> None:
    plan = planned("experiment=paper", "train.budget=seconds", "train.max_seconds=1800", gpu="h100")
    (part,) = [one for one in plan.hours if one.part in ("training", "update", "rollouts")]
    assert (part.part, part.hours) == ("training", 1800 * 8 / 3600)


def test_no_completion_is_longer_than_its_limit() -> None:
    with pytest.raises(UserError, match=r"--mean-tokens 2000: more than train\.max_completion_tokens=1024"):
        planned("experiment=paper", mean_tokens=2000.0)
    plan = planned("experiment=paper", "eval.gsm8k.max_completion_tokens=100", mean_tokens=200.0, tokens_per_second=1.0)
    (answers,) = [one.hours for one in plan.hours if one.part == "evaluations"]
    assert answers == pytest.approx(2 * (1319 * 100 + 500 * 200) / 3600)


def test_an_unknown_model_and_unknown_data_are_said_to_be_unknown() -> None:
    plan = planned("model.path=nobody/nothing-9b", "dataset=gsm8k", "eval=gsm8k", prompts=1000)
    text = shown(plan, explain=False)
    assert (
        plan.memory is None
        and "the sizes of nobody/nothing-9b are not known" in text
        and "1,000 prompts, as --prompts says" in text
    )


def test_a_plan_writes_nothing_but_what_is_asked(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["ufo-rl", "plan", "model=tiny-rules", "--json", "plan.json"])
    assert main() == 0
    assert [path.name for path in elsewhere.iterdir()] == ["plan.json"]
    (found,) = json.loads((elsewhere / "plan.json").read_text())
    assert found["training"]["steps"] == 60 and found["num_selected"] == 200 and len(found["prompts"]) == 3
    assert found["signals"][0]["forward"] > 0 and "rewards" in capsys.readouterr().out


def test_what_generates_is_told_and_what_would_with_vllm() -> None:
    text = " ".join(shown(planned("experiment=paper", "rollout=auto", gpu="h100"), explain=False).split())
    assert "rollout hf: transformers' generate" in text and "with vLLM installed on those GPUs" in text
    assert "rollout.memory_share=0.3 of the GPUs that train, 23.9 GiB while it generates" in text  # 0.3 x 79.6
    given = planned("experiment=paper", "rollout=hf", gpu="h100")
    assert given.rollout == ["rollout hf: transformers' generate, on the ranks"]
    assert "vllm_colocate: vLLM with" in planned("experiment=paper", "rollout=vllm_colocate", gpu="h100").rollout[0]


def test_prompts_are_not_asked_for_where_the_data_are_here() -> None:
    assert "--prompts 7 is not used: the data are here" in planned("model=tiny-rules", prompts=7).basis.about


@pytest.mark.parametrize(
    ("option", "value"), [("--gpu-memory", "inf"), ("--gpu-memory", "1e14"), ("--prompts", "1" + 400 * "0")]
)
def test_a_number_that_cannot_be_meant_is_refused(option: str, value: str) -> None:
    with pytest.raises(UserError, match="must be above 0 and at most 1,000,000,000"):
        split(["model=tiny", option, value])


def test_options_that_cannot_be_are_told_together() -> None:
    with pytest.raises(UserError) as error:
        split(["model=tiny", "--gpu", "h10", "--utilization", "3", "--prompts", "0"])
    assert len(error.value.problems) == 3 and 'did you mean "h100"?' in error.value.problems[0]


def test_the_table_of_the_docs_is_the_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["ufo-rl", "plan", "experiment=paper", "--table"])
    assert main() == 0
    printed = capsys.readouterr().out
    assert printed in (conf_folder().parent / "docs/plan.md").read_text()
