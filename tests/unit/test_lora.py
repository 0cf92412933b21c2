"""Adapters in the place of all weights: what they compute merged, what they cost nothing of, what is told of mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, TrainerCallback

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import run_id
from ufo_rl.config.load import examine, load
from ufo_rl.config.training_schema import Lora
from ufo_rl.errors import UserError
from ufo_rl.model.template import messages
from ufo_rl.model.weights import load_tokenizer, packaged
from ufo_rl.reward.parts import Part
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.kept import leave_weights
from ufo_rl.training.lora import check_targets, lora_config, merged_tensors
from ufo_rl.training.policy import checkpoint_every
from ufo_rl.training.precision import weights_dtype
from ufo_rl.training.trl_trainer import Trainer

LAB = packaged("package:lab/rules")


def config_of(*overrides: str) -> Any:
    (job,) = compose_jobs(list(overrides))
    return load(job.plain)


def adapted(targets: list[str] | None = None) -> Any:
    """The lab with an adapter that has learnt something."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(LAB, dtype=torch.float32)
    lora = Lora(rank=4) if targets is None else Lora(rank=4, targets=targets)
    model = get_peft_model(model, lora_config(lora))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    return model.eval()


@torch.no_grad()
def test_merged_it_is_the_live_model_and_the_base_stays(tmp_path: Path) -> None:
    """W + B A alpha / r, worked out here for one matrix; log-probabilities to 1e-5 of the largest."""
    model, ids = adapted(), torch.arange(2, 66)[None]
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    tensors = dict(merged_tensors(model))
    plain = AutoModelForCausalLM.from_pretrained(LAB, dtype=torch.float32).eval()
    assert tensors.keys() == dict(plain.named_parameters()).keys()
    base, name = plain.state_dict(), "model.layers.1.mlp.up_proj.weight"
    a, b = (before[f"base_model.model.model.layers.1.mlp.up_proj.lora_{one}.default.weight"] for one in "AB")
    assert torch.allclose(tensors[name], base[name] + (32 / 4) * b @ a, atol=1e-7)
    live = model(input_ids=ids).logits.log_softmax(-1)
    far = (live - plain(input_ids=ids).logits.log_softmax(-1)).abs().max()
    plain.load_state_dict(tensors, strict=False)
    difference = (live - plain(input_ids=ids).logits.log_softmax(-1)).abs().max()
    assert difference <= 1e-5 * live.abs().max() and far > 1000 * difference
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_all_linear_layers_get_one_but_the_head_and_named_ones_alone() -> None:
    kinds = {name.split(".")[-4] for name, _ in adapted().named_parameters() if "lora_A" in name}
    assert kinds == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    named = {name.split(".")[-4] for name, _ in adapted(["v_proj"]).named_parameters() if "lora_A" in name}
    assert named == {"v_proj"}


def test_a_module_that_is_not_there_is_named_with_those_that_are() -> None:
    model = AutoModelForCausalLM.from_pretrained(LAB)
    with pytest.raises(UserError, match=r"no linear layer query; it has down_proj, gate_proj, k_proj, lm_head"):
        check_targets(model, Lora(rank=4, targets=["query", "v_proj"]))
    for target in ("embed_tokens", "proj", "self_attn"):  # no linear layer, no whole name
        with pytest.raises(UserError, match=f"no linear layer {target};"):
            check_targets(model, Lora(rank=4, targets=[target]))
    check_targets(model, Lora(rank=4, targets=["v_proj", "self_attn.q_proj"]))


def trainer_of(folder: Path, *overrides: str) -> Trainer:
    config = config_of("train.max_steps=1", "train.per_device_train_batch_size=8", *overrides)
    rows = [{"id": "1", "prompt": messages(config.template, "1+1=?", True), "answer": "2"}]
    arguments = grpo_arguments(config.train, None, 0, folder, True, [1.0])
    part = Part("none", 1.0, lambda completions: [0.0] * len(completions))
    return make_trainer(
        arguments,
        rows,
        LAB,
        load_tokenizer(LAB),
        [part],
        TrainerCallback(),
        dtype=torch.bfloat16,
        lora=config.train.lora,
    )


def test_the_step_size_is_the_recipes_times_its_factor(tmp_path: Path) -> None:
    whole, lora = (trainer_of(tmp_path, "train.learning_rate=1e-3", *own) for own in ([], ["train=rules_lora"]))
    assert whole.args.learning_rate == 1e-3 and lora.args.learning_rate == pytest.approx(2e-3)
    assert config_of("train=grpo", "train.lora.rank=2").train.step_size == pytest.approx(1e-5)  # 10 x 1e-6


def test_a_reference_is_there_where_it_is_asked_for_alone(tmp_path: Path) -> None:
    """And in the precision of the policy: a copy in float32 would be twice as large."""
    assert trainer_of(tmp_path, "train.beta=0").ref_model is None
    assert trainer_of(tmp_path, "train.beta=0.04", "train.lora.rank=2").ref_model is None  # without its adapter
    reference = trainer_of(tmp_path, "train.beta=0.04").ref_model
    assert reference is not None and reference.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("overrides", "dtype"),
    [
        (["deepspeed=zero2", "train.bf16=true"], "bfloat16"),
        (["deepspeed=zero2", "train.bf16=true", "deepspeed.config.bf16.enabled=false"], "float32"),
        (["deepspeed=zero2", "train.bf16=false"], "float32"),
        (["deepspeed=off", "train.bf16=true"], "float32"),  # autocast over weights in float32
        (["deepspeed=off", "train.bf16=true", "train.lora.rank=8"], "bfloat16"),  # frozen ones need no more
    ],
)
def test_weights_are_loaded_in_the_precision_that_trains(overrides: list[str], dtype: str) -> None:
    config = config_of(*overrides)
    assert weights_dtype(config.train, config.deepspeed.config) == dtype


def test_a_run_without_adapters_is_called_as_before_there_were_any() -> None:
    def called(*overrides: str) -> str:
        (job,) = compose_jobs(["selector=random", *overrides])
        return run_id(job.plain)

    assert called() == "tiny-rules-rules-random-10pct-s0-ed555cff"  # of 2026-11-26
    assert called("train.keep_policy=none") == called() != called("train.lora.rank=4")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.lora.alpha=8", "train.lora.alpha=8.0 does nothing without train.lora.rank"),
        ("train.lora.targets=[v_proj]", "does nothing without train.lora.rank"),
        ("train.lora.learning_rate_factor=3", "does nothing without train.lora.rank"),
        ("train.lora={rank: 4, targets: []}", "leaves nothing to train"),
        ("train.lora={rank: 4, targets: [lm_head]}", "its adapter would never be trained"),
        ("train.lora={rank: 4, targets: [all-linear, v_proj]}", "all-linear stands alone"),
        ("train.lora.rank=0", "train.lora.rank=0 must be"),
        ("train.save_steps=2.5", "train.save_steps=2.5 must be a whole number of steps, or below 1 a share"),
        ("train.keep_policy=best", "train.best_by"),
        ("train.keep_policy=some", "train.keep_policy=some"),
        ("rollout.correction_cap=3", "rollout.correction_cap=3.0 does nothing with rollout=hf"),
        ("rollout.server=http://a:1", "take rollout=vllm_server"),
        ("rollout=vllm_server rollout.server=node1:8000", "rollout.server=node1:8000 must be an address"),
        ("rollout=vllm_server", "rollout=vllm_server needs the address of the server"),
        ("rollout=vllm_colocate rollout.tensor_parallel=2", "must divide launch.num_ranks=1"),
    ],
)
def test_mistakes_are_told_with_their_cure(override: str, words: str) -> None:
    (job,) = compose_jobs(override.split(" ") if override.count("=") == 2 else [override])
    _, problems, _ = examine(job.plain)
    assert len(problems) == 1 and words in problems[0], problems


def test_checkpoints_come_by_steps_or_by_a_share_of_them() -> None:
    assert [checkpoint_every(0.1, steps) for steps in (46, 460, 4, 1)] == [5, 46, 1, 1]
    assert [checkpoint_every(50, steps) for steps in (46, 460)] == [16, 50]


@pytest.mark.parametrize(
    ("keep", "best", "left"),
    [
        ("all", 20, ["adapter", "best", "manifest.json", "policy"]),
        ("best", 20, ["adapter", "best", "manifest.json"]),
        ("best", 60, ["adapter", "manifest.json", "policy"]),
        ("none", 20, ["adapter", "manifest.json"]),
        ("none", None, ["adapter", "manifest.json"]),
    ],
)
def test_weights_that_need_not_stay_go(tmp_path: Path, keep: str, best: int | None, left: list[str]) -> None:
    for name in ("policy", "adapter", *(["best"] if best == 20 else [])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    by = {} if best is None else {"best": {"step": best, "by": "rules_zone"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"steps": 60, **by}))
    words = ["train.eval_steps=20", "train.best_by=rules_zone"] if keep == "best" else []
    leave_weights(tmp_path, config_of(f"train.keep_policy={keep}", *words).train)
    assert sorted(path.name for path in tmp_path.iterdir()) == left
