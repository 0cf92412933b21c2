"""The loop for narrow models draws, number for number, what transformers draws; other models do without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config
from transformers.models.qwen3 import Qwen3ForCausalLM

from ufo_rl.model.narrow import _drawn, generate_narrow
from ufo_rl.model.narrow_layers import has_calls_to_spare

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}
END, PAD = 39, 38


def llama(**own: Any) -> Any:
    torch.manual_seed(0)
    return with_scales(LlamaForCausalLM(LlamaConfig(**SIZES | own)).eval())


def qwen2(**own: Any) -> Any:
    torch.manual_seed(0)
    model = with_scales(Qwen2ForCausalLM(Qwen2Config(**SIZES | own)).eval())
    for layer in model.model.layers:  # transformers begins with zeros
        for one in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
            torch.nn.init.normal_(one.bias)
    return model


def with_scales(model: Any) -> Any:
    """Transformers begins with ones."""
    for name, weight in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    return model


def batch() -> dict[str, torch.Tensor]:
    """Prompts of several lengths, some of them several times, padded on their left."""
    lengths = [5, 9, 1, 9, 4, 5, 9, 2]
    rows = torch.randint(0, 37, (3, 9), generator=torch.Generator().manual_seed(1))[[0, 1, 2, 1, 0, 0, 2, 2]]
    mask = torch.tensor([[0] * (9 - length) + [1] * length for length in lengths])
    return {"input_ids": torch.where(mask == 1, rows, PAD), "attention_mask": mask}


def generated(model: Any, own: dict[str, Any], **more: Any) -> Any:
    config = GenerationConfig(max_new_tokens=30, eos_token_id=END, pad_token_id=PAD, **own)
    torch.manual_seed(5)
    return model.generate(**batch(), generation_config=config, disable_compile=True, **more)


@pytest.mark.parametrize(
    "make",
    [llama, qwen2, lambda: llama(head_dim=24, tie_word_embeddings=True), lambda: qwen2(num_key_value_heads=4)],
    ids=["llama, groups of heads", "qwen2, biases", "a head size of its own, tied", "a key a head"],
)
@pytest.mark.parametrize(
    "own",
    [{"do_sample": True, "top_k": 0}, {"do_sample": True, "top_k": 5, "temperature": 0.7}, {"do_sample": False}],
    ids=["sampled", "warped", "greedy"],
)
def test_the_loop_draws_what_transformers_draws(make: Callable[[], Any], own: dict[str, Any]) -> None:
    model = make()
    assert has_calls_to_spare(model)
    alone, found = generated(model, own), generated(model, own, custom_generate=generate_narrow)
    assert torch.equal(alone, found)
    if own["do_sample"]:
        lengths = (found[:, 9:] != PAD).sum(1)
        assert len(set(lengths.tolist())) > 2  # rows leave one after another


def test_it_draws_as_multinomial_does_and_refuses_what_is_no_chance() -> None:
    scores_BV = torch.randn(64, 265, generator=torch.Generator().manual_seed(0)) * 3
    scores_BV[:, 100:200] = -torch.inf  # as top_k has it
    for seed in range(20):
        torch.manual_seed(seed)
        expected, state = torch.multinomial(scores_BV.softmax(-1), 1)[:, 0], torch.get_rng_state()
        torch.manual_seed(seed)
        assert torch.equal(_drawn(scores_BV), expected) and torch.equal(torch.get_rng_state(), state)
    scores_BV[3, 3] = torch.nan
    with pytest.raises(RuntimeError, match="inf"):
        _drawn(scores_BV)


def test_its_logits_are_those_of_transformers() -> None:
    asked = {"do_sample": False, "output_logits": True, "return_dict_in_generate": True}
    model = qwen2()
    alone, found = generated(model, asked), generated(model, asked, custom_generate=generate_narrow)
    ended = (alone.sequences[:, 9:] == END).cumsum(1) > 0
    assert torch.equal(alone.sequences, found.sequences) and len(alone.logits) == len(found.logits)
    for step, (one, other) in enumerate(zip(alone.logits, found.logits, strict=True)):
        alive = torch.ones(8, dtype=torch.bool) if step == 0 else ~ended[:, step - 1]
        assert alive.any() and torch.allclose(one[alive], other[alive], atol=1e-4)


def with_hook() -> Any:
    model = llama()
    model.model.layers[1].register_forward_hook(lambda module, given, output: output)
    return model


def with_backward_hook() -> Any:
    model = llama()
    model.model.layers[1].mlp.register_full_backward_hook(lambda module, given, taken: None)
    return model


def with_forward_of_its_own() -> Any:
    model = llama()
    mlp = model.model.layers[1].mlp
    mlp.forward = lambda states, forward=mlp.forward: 2 * forward(states)
    return model


def under_checkpoints() -> Any:
    model = llama().train()
    model.gradient_checkpointing_enable()
    return model


def with_embeddings_of_its_own() -> Any:
    class Scaled(torch.nn.Embedding):
        pass

    model = llama()
    model.model.embed_tokens = Scaled(40, 64)
    return model


def with_adapter() -> Any:
    class Adapted(torch.nn.Linear):
        pass

    model = llama()
    model.model.layers[0].self_attn.q_proj = Adapted(64, 64, bias=False)
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: llama(hidden_size=512),
        lambda: llama().to(torch.bfloat16),
        lambda: llama(attention_bias=True),
        lambda: llama(mlp_bias=True),
        lambda: llama(hidden_act="gelu"),
        lambda: llama(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}),
        lambda: qwen2(use_sliding_window=True, sliding_window=4, max_window_layers=1),
        lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES)),
        with_hook,
        with_backward_hook,
        with_forward_of_its_own,
        with_embeddings_of_its_own,
        under_checkpoints,
        with_adapter,
    ],
    ids=[
        "wide",
        "half",
        "bias",
        "mlp bias",
        "activation",
        "rope",
        "sliding",
        "qwen3",
        "hook",
        "backward hook",
        "forward",
        "embeddings",
        "checkpoints",
        "adapter",
    ],
)
def test_a_model_that_computes_more_than_the_loop_has_none(make: Callable[[], Any]) -> None:
    assert not has_calls_to_spare(make())
