"""Planted bad combinations: each is found by its name, and its cure, applied, removes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ufo_rl.commands.plan.findings import Finding
from ufo_rl.commands.plan.jobs import plans_of
from ufo_rl.commands.plan.options import PlanOptions

PAPER = ("experiment=paper",)
VLLM = (*PAPER, "rollout=vllm_colocate")
H100 = {"gpu": "h100"}
PLANTED: list[tuple[str, tuple[str, ...], dict[str, Any], str]] = [
    ("memory", (*PAPER, "launch.num_ranks=1", "train.gradient_accumulation_steps=16"), H100, "deepspeed=zero3_offload"),
    ("memory", (*PAPER, "deepspeed=off"), H100, "deepspeed=zero1"),
    ("memory", (*PAPER, "train.gradient_checkpointing=false"), H100, "train.gradient_checkpointing=true"),
    ("reference", PAPER, {"gpu": "a100-40gb"}, "train.beta=0.0"),
    ("rank", ("model=tiny-rules", "train=rules_lora", "train.lora.rank=1000"), {}, "train.lora.rank=16"),
    ("save steps", (*PAPER, "train.save_steps=50"), H100, "train.save_steps=16"),
    ("evaluation steps", (*PAPER, "train.eval_steps=46"), H100, "train.eval_steps=16"),
    ("refresh", (*PAPER, "refresh=rescore", "refresh.every=60"), H100, "refresh.every=16"),
    ("kept prompts", ("model=tiny-rules", "ratio.value=0.002"), {}, "train.per_device_train_batch_size=8"),
    ("kept prompts", (*PAPER, "ratio.value=0.001"), H100, "train.per_device_train_batch_size=7"),
    ("positions", (*PAPER, "train.max_completion_tokens=40000"), {"gpu": "h200"}, "train.max_completion_tokens=32256"),
    ("tensor parallel", (*VLLM, "rollout.tensor_parallel=8"), H100, "rollout.tensor_parallel=4"),
    ("vLLM's share", (*VLLM, "rollout.memory_share=0.1"), H100, "rollout.memory_share=0.18"),
    ("vLLM's share", (*VLLM, "rollout.memory_share=0.8"), H100, "rollout.memory_share=0.4"),
    ("sampling", (*VLLM, "train.trl.top_p=0.9"), H100, "train.trl.top_p=1.0"),
    ("precision", PAPER, {"gpu": "v100-32gb"}, "train.bf16=false"),
    ("generation", (*PAPER, "deepspeed=zero3"), H100, "rollout=vllm_colocate"),
    ("step size", (*PAPER, "train.learning_rate=1.0e-3"), H100, "train.learning_rate=1.0e-6"),
    (
        "step size",
        ("experiment=paper-1gpu", "train.lora.learning_rate_factor=1"),
        H100,
        "train.lora.learning_rate_factor=10",
    ),
    ("disk", PAPER, {**H100, "free_disk": 50.0}, "train.save_steps=null"),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UFO_RL_DATA", raising=False)


def found(overrides: tuple[str, ...], options: dict[str, Any]) -> dict[str, Finding]:
    (plan,) = plans_of(overrides, None, None, False, PlanOptions(**options))
    return {finding.name: finding for finding in plan.findings}


def with_cure(overrides: tuple[str, ...], cure: tuple[str, ...]) -> tuple[str, ...]:
    changed = {word.partition("=")[0] for word in cure}
    return (*(word for word in overrides if word.partition("=")[0] not in changed), *cure)


def test_ten_kinds_are_planted() -> None:
    assert len({name for name, *_ in PLANTED}) >= 10


@pytest.mark.parametrize(("name", "overrides", "options", "cure"), PLANTED)
def test_a_planted_combination_is_found_and_its_cure_cures(
    name: str, overrides: tuple[str, ...], options: dict[str, Any], cure: str
) -> None:
    finding = found(overrides, options)[name]
    assert cure in finding.cure, finding
    assert name not in found(with_cure(overrides, finding.cure), options)


def test_several_changes_are_told_where_one_is_not_enough() -> None:
    overrides = (*PAPER, "launch.num_ranks=1", "train.gradient_accumulation_steps=16", "model=llama3.1-8b")
    finding = found(overrides, {"gpu": "rtx4090"})["memory"]
    assert len(finding.cure) > 1 and "memory" not in found(with_cure(overrides, finding.cure), {"gpu": "rtx4090"})


def test_a_change_that_is_not_enough_is_not_offered() -> None:
    finding = found((*PAPER, "deepspeed=off"), H100)["reference"]  # 16 B a weight do not fit without it either
    assert finding.cure == () and "takes 28.4 GiB" in finding.words and "without it a rank still needs" in finding.words
    finding = found(PAPER, {**H100, "free_disk": 10.0})["disk"]  # the policy alone: 7.6e9 x 2 B = 14.2 GiB
    assert finding.cure == () and "without checkpoints it would be 14.2" in finding.words


def test_checkpoints_of_evaluations_go_with_them() -> None:
    overrides = (*PAPER, "train.save_steps=null", "train.eval_steps=16")
    finding = found(overrides, {**H100, "free_disk": 50.0})["disk"]
    assert finding.cure == ("train.eval_steps=null",)


def test_targets_are_read_as_peft_reads_them() -> None:
    names = ("q_proj", "self_attn.q_proj", "model.layers.0.self_attn.q_proj")
    rank, hidden = 8, 3584
    trained = [28 * rank * 2 * hidden] * 2 + [rank * 2 * hidden]
    for name, expected in zip(names, trained, strict=True):
        words = (*PAPER, "train.lora.rank=8", f"train.lora.targets=[{name}]")
        (plan,) = plans_of(words, None, None, False, PlanOptions(**H100))
        assert plan.layout is not None and plan.layout.trained == expected
        assert "refused" not in {finding.name for finding in plan.findings}
    for name in ("query", "mlp", "proj", "embed_tokens"):
        words = found((*PAPER, "train.lora.rank=8", f"train.lora.targets=[{name}]"), H100)["refused"].words
        assert f"the model has no linear layer {name}; it has q_proj" in words


def test_what_a_run_would_refuse_is_told_in_its_own_words() -> None:
    finding = found((*PAPER, "train.per_device_train_batch_size=6"), H100)["refused"]
    assert "not divisible by train.num_generations=7; take train.per_device_train_batch_size=7" in finding.words


def test_a_value_that_is_none_leaves_the_rest_unread() -> None:
    assert "train.beta" in found((*PAPER, "train.beta=-1"), H100)["refused"].words


def test_rewards_that_teach_nothing_are_found() -> None:
    nothing = ("model=tiny-rules", "reward.parts.correctness.weight=0", "reward.parts.format.weight=0")
    assert "nothing would be learnt" in found(nothing, {})["rewards"].words


def test_the_shipped_experiments_have_no_finding() -> None:
    assert found(PAPER, {**H100, "free_disk": 1000.0}) == {}
    assert found(("experiment=paper-1gpu",), {**H100, "free_disk": 1000.0}) == {}
    assert found(("model=tiny-rules",), {"free_disk": 1000.0}) == {}
