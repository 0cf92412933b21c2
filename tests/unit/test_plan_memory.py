"""What a plan says of memory and disk against sums by hand: Qwen2.5-7B on 8 GPUs by the paper's recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from ufo_rl.commands.plan.job_plan import JobPlan
from ufo_rl.commands.plan.jobs import plans_of
from ufo_rl.commands.plan.options import PlanOptions
from ufo_rl.model.unloaded.architecture import Architecture
from ufo_rl.training.memory.layout import Held

COUNT = 7_615_616_512
HIDDEN, INNER, QUERIES, KEYS, LAYERS = 3584, 18944, 3584, 512, 28
LINEAR = LAYERS * (2 * HIDDEN * QUERIES + 2 * HIDDEN * KEYS + 3 * HIDDEN * INNER)
ADAPTERS = LAYERS * 16 * (2 * (HIDDEN + QUERIES) + 2 * (HIDDEN + KEYS) + 3 * (HIDDEN + INNER))  # of rank 16
LARGEST = 152064 * 3584


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UFO_RL_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def planned(*overrides: str) -> JobPlan:
    (plan,) = plans_of(["experiment=paper", *overrides], None, None, False, PlanOptions(gpu="h100"))
    assert plan.memory is not None
    return plan


def sums(parts: list[Held]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in parts:
        found[part.name] = found.get(part.name, 0.0) + part.bytes
    return found


@pytest.mark.parametrize(
    ("overrides", "count", "each"),
    [
        ((), COUNT, 2 + 2 + 12),  # weights by transformers, weights by DeepSpeed, its optimizer with a copy in float32
        (("train.bf16=false",), COUNT, 4 + 4 + 12),
        (("deepspeed=zero3",), COUNT, 2 + 2 + 12),
        (("deepspeed=off",), COUNT, 4 + 8),
        (("train.lora.rank=16",), ADAPTERS, 2 + 2 + 12),
        (("train.lora.rank=16", "deepspeed=off"), ADAPTERS, 4 + 8),
    ],
)
def test_checkpoints_take_what_they_were_measured_to(overrides: tuple[str, ...], count: int, each: int) -> None:
    assert sums(planned(*overrides).disk)["checkpoints"] == count * each * 2  # one is kept while the next is written


def test_stage_3_has_room_for_its_gradients_from_the_start() -> None:
    memory = planned("deepspeed=zero3").memory
    assert memory is not None and sums(memory.throughout)["gradients"] == 2 * COUNT / 8
    assert all("gradients" not in sums(parts) for parts in memory.phases.values())
    memory = planned().memory
    assert memory is not None and sums(memory.phases["end of backward"])["gradients"] == 2 * COUNT / 8


def test_gradients_of_an_offloaded_optimizer_are_in_host_memory() -> None:
    memory = planned("deepspeed=zero3_offload", "train.beta=0").memory
    assert memory is not None and "gradients" not in sums(memory.throughout)
    host = sums(memory.host)
    # DeepSpeed's buffer in 2 bytes and what its optimizer reads in 4
    assert host.pop("gradients") + host.pop("gradients in float32") == 6 * COUNT / 8
    assert host == {
        "weights": 2 * COUNT / 8,
        "optimizer": 12 * COUNT / 8,
        "loading": (COUNT / 8 + 2 * LARGEST) * 2,
    }


@pytest.mark.parametrize(
    ("overrides", "expected", "words"),
    [
        (("train.beta=0",), 2 * COUNT, ""),
        ((), 2 * 2 * COUNT, "x 2, policy and reference"),
        (("deepspeed=zero3",), 2 * 2 * COUNT / 8 + 2 * 2 * LARGEST, "+ 2 x 5.45e+08 x 2 B, the largest matrix"),
    ],
)
def test_policy_and_reference_are_on_the_host_together(overrides: tuple[str, ...], expected: float, words: str) -> None:
    memory = planned(*overrides).memory
    assert memory is not None
    (loading,) = [part for part in memory.host if part.name == "loading"]
    assert loading.bytes == expected and words in loading.formula


def test_autocast_keeps_copies_of_linear_layers_for_the_backward_pass() -> None:
    memory = planned("deepspeed=off").memory
    assert memory is not None and sums(memory.phases["backward"])["copies of autocast"] == 2 * LINEAR
    for overrides in ((), ("deepspeed=off", "train.bf16=false"), ("deepspeed=off", "train.lora.rank=16")):
        memory = planned(*overrides).memory
        assert memory is not None and "copies of autocast" not in sums(memory.phases["backward"])


def test_a_config_that_does_not_say_has_a_head_of_its_own() -> None:
    size = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 100,
    }
    layer = 4 * 8 * 8 + 3 * 8 * 16 + 2 * 8
    for kind, more in (("llama", 0), ("mistral", 0), ("qwen2", 3 * 8), ("qwen3", 2 * 4)):  # biases; norms of heads
        assert Architecture.of({"model_type": kind, **size}, "").num_parameters == 2 * 100 * 8 + layer + more + 8
        tied = {"model_type": kind, "tie_word_embeddings": True, **size}
        assert Architecture.of(tied, "").num_parameters == 100 * 8 + layer + more + 8


def test_qwen3_has_as_many_weights_as_published() -> None:
    config = {"model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16}
    config |= {"num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151936}
    # Qwen3-0.6B: 151,936 x 1,024 + 28 x (3 x 1,024 x 2,048 + 3 x 1,024 x 3,072 + 2 x 1,024 + 2 x 128) + 1,024
    assert Architecture.of({**config, "tie_word_embeddings": True}, "").num_parameters == 596_049_920
