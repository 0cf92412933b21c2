"""Rows that have ended leave the forward passes; every token is the one that transformers alone would have drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GenerationConfig, PreTrainedModel, StaticCache, StoppingCriteria
from transformers.models.qwen2.modeling_qwen2 import Qwen2Model

from tests.tiny_architectures import saved
from ufo_rl.model import live_rows, narrow
from ufo_rl.model.live_rows import ALL_ROWS, HOOKS, LOOP, leave_when_ended, leaving
from ufo_rl.model.weights import end_ids, keep_end_tokens_only, load_model, load_tokenizer, packaged

LAB = packaged("package:lab/tiny")
QUESTIONS = ["7+5=?", "(7*8)-3=?", "12*12-4*5=?", "9=?"] * 6


@pytest.fixture(scope="module", params=[LOOP, HOOKS])
def lab(request: pytest.FixtureRequest) -> tuple[PreTrainedModel, dict[str, Any], GenerationConfig]:
    """The lab's narrow model has a loop of its own; any other has hooks, which are as right for it."""
    tokenizer, model = load_tokenizer(LAB), load_model(LAB, "float32", "cpu")
    keep_end_tokens_only(model)
    if request.param == HOOKS:
        assert live_rows._is_right(model, HOOKS)
        live_rows._ways[model] = HOOKS
    with leaving(model, [0]):
        assert live_rows._ways[model] == request.param
    chats = [[{"role": "user", "content": question}] for question in QUESTIONS]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
    config = GenerationConfig(
        max_new_tokens=48,
        do_sample=True,
        top_k=0,
        eos_token_id=end_ids(LAB, tokenizer),
        pad_token_id=tokenizer.pad_token_id,
    )
    return model, dict(batch), config


def sampled(model: PreTrainedModel, batch: dict[str, Any], config: GenerationConfig, **more: Any) -> torch.Tensor:
    torch.manual_seed(3)
    return model.generate(**batch, generation_config=config, **more)  # pyright: ignore[reportCallIssue,reportReturnType]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each forward pass has computed."""
    found: list[int] = []
    read = narrow.Rows.read

    def counted(rows: narrow.Rows, token_R: torch.Tensor) -> None:
        found.append(len(token_R))
        read(rows, token_R)

    monkeypatch.setattr(narrow.Rows, "read", counted)
    forward = Qwen2Model.forward

    def counted_forward(model: Qwen2Model, *args: Any, **named: Any) -> Any:
        found.append(len(named["input_ids"]))
        return forward(model, *args, **named)

    monkeypatch.setattr(Qwen2Model, "forward", counted_forward)
    return found


def test_what_is_drawn_is_the_same_and_fewer_rows_are_computed(lab: Any, counts: list[int]) -> None:
    model, batch, config = lab
    alone = sampled(model, batch, config)
    counts.clear()
    with leaving(model, config.eos_token_id) as own:
        found = sampled(model, batch, config, **own)
    assert torch.equal(alone, found)
    steps, given = alone.shape[1] - batch["input_ids"].shape[1], batch["input_ids"].shape[1]
    ends = torch.tensor(config.eos_token_id)
    lengths = [next((n for n, token in enumerate(row) if token in ends), steps - 1) + 1 for row in found[:, given:]]
    prompts, *counts = counts
    assert len(counts) == steps - 1 and prompts == len(set(QUESTIONS)) and counts[0] <= len(QUESTIONS)
    assert sum(lengths) <= len(QUESTIONS) + sum(counts) < 0.8 * steps * len(QUESTIONS)
    assert counts == sorted(counts, reverse=True)
    assert not model._forward_hooks and not model._forward_pre_hooks


def test_another_criterion_ends_rows_as_by_itself(lab: Any) -> None:
    class Third(StoppingCriteria):
        """Ends every other row at its third token."""

        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            is_due = input_ids.shape[1] - batch["input_ids"].shape[1] == 3
            return torch.tensor([is_due and not row % 2 for row in range(len(input_ids))])

    model, batch, config = lab
    alone = sampled(model, batch, config, stopping_criteria=[Third()])
    with leaving(model, config.eos_token_id, Third()) as own:
        found = sampled(model, batch, config, **own)
    assert torch.equal(alone, found)
    given = batch["input_ids"].shape[1]
    assert (found[::2, given + 3 :] == config.pad_token_id).all()


def test_beside_a_cache_of_another_kind_no_hook_leaves_rows_out_and_the_loop_has_its_own(
    lab: Any, counts: list[int]
) -> None:
    model, batch, config = lab
    alone = sampled(model, batch, config)
    cache = StaticCache(config=model.config, max_cache_len=96)
    counts.clear()
    with leaving(model, config.eos_token_id) as own:
        found = sampled(model, batch, config, **own, past_key_values=cache, disable_compile=True)
    assert torch.equal(alone, found)
    if "custom_generate" in own:
        assert counts[0] == len(set(QUESTIONS)) and counts[-1] < len(QUESTIONS)
    else:
        assert set(counts) == {len(QUESTIONS)}


def test_a_trainers_model_draws_as_before(lab: Any) -> None:
    """TRL calls `model.generate` itself, with its own settings."""
    known, batch, config = lab
    model = load_model(LAB, "float32", "cpu")
    keep_end_tokens_only(model)
    live_rows._ways[model] = live_rows._ways[known]
    alone = sampled(model, batch, config)
    leave_when_ended(model)
    assert torch.equal(alone, sampled(model, batch, config))
    without_end = GenerationConfig(**{**config.to_diff_dict(), "eos_token_id": None})  # then the model's own
    assert torch.equal(alone, sampled(model, batch, without_end))


@pytest.mark.parametrize("own", [{"num_beams": 2, "do_sample": False}, {"guidance_scale": 1.5}])
def test_beams_and_guidance_keep_all_rows(lab: Any, own: dict[str, Any]) -> None:
    """What TRL is given as generation_kwargs: rows change places, or are computed twice."""
    known, batch, config = lab
    model = load_model(LAB, "float32", "cpu")
    keep_end_tokens_only(model)
    live_rows._ways[model] = live_rows._ways[known]
    asked = GenerationConfig(**{**config.to_diff_dict(), **own})
    alone = sampled(model, batch, asked)
    leave_when_ended(model)
    assert torch.equal(alone, sampled(model, batch, asked))


def test_a_model_that_keeps_something_of_a_row_elsewhere_keeps_all_rows(tmp_path: Any) -> None:
    """RecurrentGemma's cache is a plain one; its states are not in it."""
    model = load_model(saved("recurrent_gemma", tmp_path), "float32", "cpu")
    with leaving(model, [0]) as own:
        assert own == {"stopping_criteria": []} and not model._forward_hooks and live_rows._ways[model] == ALL_ROWS


def test_memory_that_runs_out_is_no_reason_to_compute_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs_out(*_: Any, **named: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(live_rows, "generate_narrow", runs_out)
    with pytest.raises(torch.OutOfMemoryError), leaving(load_model(LAB, "float32", "cpu"), [0]):
        pass


def test_a_loop_is_left_where_the_model_computes_more_than_before() -> None:
    model = load_model(LAB, "float32", "cpu")
    with leaving(model, [0]) as own:
        assert "custom_generate" in own
    model.config.attention_dropout = 0.1
    model.train()
    with leaving(model, [0]) as own:
        assert "custom_generate" not in own
