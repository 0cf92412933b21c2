"""Shortcuts of scoring that do not fit a model: each is left out by itself, and no number moves."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import GlmConfig, GlmForCausalLM, LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

from ufo_rl.signals.confidence import forward, last_layer, packing, shortcuts
from ufo_rl.signals.confidence.budget import Budget
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.measure import Measured, measure, share_prefix
from ufo_rl.signals.confidence.scorers import OwnScorer
from ufo_rl.signals.confidence.spans import Encoded

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 40,
}
SIZES |= {"num_key_value_heads": 2, "initializer_range": 0.2, "pad_token_id": None}
NO_IDS = {"bos_token_id": None, "eos_token_id": None}
LAST, PREFIX, PACKED = "the last layer at targets alone", "a shared prefix", "packed matrices"


def llama() -> Any:
    torch.manual_seed(7)
    return LlamaForCausalLM(LlamaConfig(**SIZES, **NO_IDS)).eval()


def rows(lengths: list[int], prefix: int = 12) -> list[Encoded]:
    rng = random.Random(3)
    shared = [rng.randrange(40) for _ in range(prefix)]
    return [Encoded(shared + [rng.randrange(40) for _ in range(n)], 2, "") for n in lengths]


ROWS = rows([5, 9, 14, 30, 60])


def reference(model: Any, row: Encoded) -> list[float]:
    with torch.no_grad():
        logprobs = torch.log_softmax(model(torch.tensor([row.ids])).logits[0].double(), -1)
    return [logprobs[t - 1, row.ids[t]].item() for t in range(len(row.ids) - row.num_target, len(row.ids))]


def scorer(model: Any) -> OwnScorer:
    return OwnScorer(model, None, 0, 4096, None)  # pyright: ignore[reportArgumentType]


def check(made: OwnScorer, expected: list[list[float]], some: list[Encoded]) -> list[Measured]:
    found = dict(item for batch in made.measure(some) for item in batch)
    for i, terms in enumerate(expected):
        assert found[i].token_logprobs == pytest.approx(terms, abs=1e-5)
    return [found[i] for i in range(len(some))]


def wrong(_: Any, x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("could not create a primitive descriptor")


def off(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with every result one per cent larger."""

    def scaled(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        return tuple(one * 1.01 for one in made) if isinstance(made, tuple) else made * 1.01

    return scaled


BROKEN = {
    "packed layers that raise": (packing.PackedLinear, "forward", wrong, PACKED),
    "packed layers that are wrong": (packing.PackedLinear, "forward", off(packing.PackedLinear.forward), PACKED),
    "last layer that is wrong": (last_layer, "_attend", off(last_layer._attend), LAST),
    "last layer that raises": (last_layer, "_attend", wrong, LAST),
    "prefix that is wrong": (forward._SharedLayer, "update", off(forward._SharedLayer.update), PREFIX),
    "prefix that raises": (forward._SharedLayer, "update", wrong, PREFIX),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_shortcut_that_fails_is_left_out_alone_and_told(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place, name, instead, left_out = BROKEN[what]
    model = llama()
    expected = [reference(model, row) for row in ROWS]
    monkeypatch.setattr(place, name, instead)
    monkeypatch.setattr(packing, "_is_equal", lambda *_: True)  # what looks at the parts alone sees nothing
    monkeypatch.setattr(shortcuts, "is_exact", lambda *_: True)
    made = scorer(model)
    with caplog.at_level("INFO", logger="ufo_rl"):
        found = check(made, expected, ROWS)
    assert list(made.facts()["without"]) == [left_out]
    assert [m for m in caplog.messages if m.startswith("scored without")] == [
        f"scored without {left_out} ({made.forcing.without[left_out]})"
    ]
    assert made.forcing.is_split and made.forcing.is_batched
    assert (made.forcing.last_layer is None) == (left_out == LAST)
    assert {one.prefix_tokens for one in found} == {0 if left_out == PREFIX else 12}
    assert any(type(module).__name__ == "PackedLinear" for module in model.modules()) == (left_out != PACKED)


def test_nothing_is_left_out_where_nothing_fails() -> None:
    model = llama()
    made = scorer(model)
    expected = [reference(model, row) for row in ROWS]
    found = check(made, expected, ROWS)
    assert made.facts()["without"] == {} and {one.prefix_tokens for one in found} == {12}


class NoBatches(TorchFunctionMode):
    """A machine whose memory does not suffice for the attention of more than one row."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ == "scaled_dot_product_attention" and args[0].shape[0] > 1:
            raise torch.OutOfMemoryError("no memory")
        return func(*args, **(kwargs or {}))


def test_memory_that_runs_out_is_no_failed_shortcut() -> None:
    model = llama()
    expected = [reference(model, row) for row in ROWS]
    made = scorer(model)
    with NoBatches():
        found = check(made, expected, ROWS)
    assert made.facts()["without"] == {}
    assert made.forcing.last_layer is not None and {one.prefix_tokens for one in found} == {12}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_partial_rotary_positions_are_computed_at_every_position(dtype: torch.dtype) -> None:
    """GLM's parts have Llama's names; half of each head is rotated. Half precision would hide less than that."""
    torch.manual_seed(7)
    model = GlmForCausalLM(GlmConfig(**SIZES, head_dim=16, partial_rotary_factor=0.5, **NO_IDS)).eval().to(dtype)
    forcing = TeacherForcing(model, 0)
    share_prefix(forcing, ROWS)
    assert forcing.last_layer is None and forcing.is_split and len(forcing.prefix) == 12
    list(measure(forcing, ROWS, Budget(4096, "cpu"), None))


def deep() -> Any:
    """Layers whose rounding adds up in half precision, to more than a fixed bound for all models can allow."""
    torch.manual_seed(7)
    sizes = SIZES | {"num_hidden_layers": 30, "hidden_size": 256, "initializer_range": 0.05}
    return LlamaForCausalLM(LlamaConfig(**sizes, **NO_IDS)).eval().to(torch.bfloat16)


def test_a_deep_model_in_half_precision_has_its_shortcuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen2.5's shapes of 1.5B and 7B had none of them on a GPU, where kernels differ more: their states were 0.032 and 0.044
    from those of the plain way, and they as far from their own with other kernels."""
    monkeypatch.setattr(shortcuts, "HALF_STATES", 1e-3)  # what a CPU rounds differently is less
    forcing = TeacherForcing(deep(), 0)
    share_prefix(forcing, ROWS)
    assert forcing.without == {} and forcing.is_batched and forcing.is_split and forcing.last_layer is not None
    assert len(forcing.prefix) == 12
    model, found = forcing.model.float(), {}
    expected = [reference(model, row) for row in ROWS]
    for batch in measure(forcing, ROWS, Budget(4096, "cpu"), None):
        found |= dict(batch)
    assert [found[i].mean_logprob for i in range(len(ROWS))] == pytest.approx(
        [sum(one) / 2 for one in expected], abs=0.3
    )


def test_what_a_deep_model_in_half_precision_computes_otherwise_is_left_out() -> None:
    """Its states know how long the row is that they are computed with."""
    model = deep()
    model.model.norm.register_forward_hook(lambda _, args, out: out * (1 + 0.004 * out.shape[1]))
    forcing = TeacherForcing(model, 0)
    share_prefix(forcing, ROWS)
    assert not forcing.is_split and not forcing.prefix and forcing.last_layer is None
    assert "other hidden states" in forcing.without["the head at targets alone"]


def long_rope() -> Any:
    """Positions are stretched where the longest row of a batch is over 32 tokens: its neighbours change with it."""
    torch.manual_seed(7)
    stretched = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
    stretched |= {"original_max_position_embeddings": 32}
    config = Phi3Config(
        **SIZES,
        **NO_IDS,
        max_position_embeddings=128,
        original_max_position_embeddings=32,
        rope_parameters=stretched,
        sliding_window=None,
    )
    return Phi3ForCausalLM(config).eval()


def test_a_longer_row_than_all_before_is_proved_again() -> None:
    """Short rows first, that share a prefix in batches; then long ones, to which both do other things."""
    model = long_rope()
    short, long = rows([5, 7, 9, 14]), rows([6, 13, 40, 70])
    expected = [[reference(model, row) for row in block] for block in (short, long)]
    made = scorer(model)
    assert {one.prefix_tokens for one in check(made, expected[0], short)} == {12}
    assert made.facts()["without"] == {}
    assert {one.prefix_tokens for one in check(made, expected[1], long)} == {0}
    assert {"padded batches", PREFIX} <= made.facts()["without"].keys()
    check(made, expected[0], short)
