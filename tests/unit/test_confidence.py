"""The confidence signal against an independent float64 reference: each row alone, unpadded, token by token."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from ufo_rl.errors import UserError
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer, packaged, pad_id
from ufo_rl.signals.confidence.budget import Budget
from ufo_rl.signals.confidence.forward import HEAD_ROWS, VOCAB_CHUNK, TeacherForcing
from ufo_rl.signals.confidence.measure import Measured, measure, share_prefix
from ufo_rl.signals.confidence.packing import pack
from ufo_rl.signals.confidence.scorers import OwnScorer
from ufo_rl.signals.confidence.spans import Encoded, encode

VOCABULARY = 40
SIZES = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": VOCABULARY}
SIZES |= {"initializer_range": 0.2}
GROUPED = {**SIZES, "intermediate_size": 128, "num_key_value_heads": 2}
NO_IDS = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": None}


def qwen2() -> Any:
    return Qwen2ForCausalLM(Qwen2Config(**GROUPED))


def gpt2() -> Any:
    """Learned positions, tied output weights."""
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=64, n_layer=3, n_head=4, initializer_range=0.2, **NO_IDS)
    return GPT2LMHeadModel(config)


def gemma2() -> Any:
    """Logits capped by tanh: not the head's alone. Sliding windows in every second layer."""
    return Gemma2ForCausalLM(
        Gemma2Config(**GROUPED, head_dim=16, sliding_window=8, final_logit_softcapping=2.0, **NO_IDS)
    )


def mistral() -> Any:
    """A sliding window shorter than the shared prefix."""
    return MistralForCausalLM(MistralConfig(**GROUPED, sliding_window=8, **NO_IDS))


def llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**GROUPED, **NO_IDS))


def qwen3() -> Any:
    """Parts named as the others', and a norm of queries and keys that they lack."""
    return Qwen3ForCausalLM(Qwen3Config(**GROUPED, head_dim=16, **NO_IDS))


def granite() -> Any:
    """What a layer adds is multiplied, as are the logits."""
    return GraniteForCausalLM(GraniteConfig(**GROUPED, residual_multiplier=0.9, logits_scaling=1.1, **NO_IDS))


def smollm3() -> Any:
    """Layers without rotary positions, the last among them."""
    return SmolLM3ForCausalLM(SmolLM3Config(**{**GROUPED, "num_hidden_layers": 4}, no_rope_layer_interval=4, **NO_IDS))


def weakly_capped() -> Any:
    """The published cap of Gemma 2: it changes moderate logits by less than half precision rounds."""
    return Gemma2ForCausalLM(Gemma2Config(**GROUPED, head_dim=16, final_logit_softcapping=30.0, **NO_IDS))


MODELS = {"qwen2": qwen2, "gpt2": gpt2, "gemma2": gemma2, "mistral": mistral, "llama": llama, "qwen3": qwen3}
MODELS |= {"smollm3": smollm3}
ODD = {"granite": granite, "weakly_capped": weakly_capped}  # told apart here, not fit for comparing numbers


def model(name: str) -> Any:
    torch.manual_seed(7)
    made = (MODELS | ODD)[name]().eval()
    if name == "qwen2":
        made.lm_head.weight.data *= 4  # probabilities from near 0 to near 1, not 1/40 everywhere
    return made


@pytest.fixture(scope="module")
def rows() -> list[Encoded]:
    """Rows of one prefix and every length, and a few without it; mostly short targets."""
    rng = random.Random(3)
    prefix = [rng.randrange(VOCABULARY) for _ in range(12)]
    made = []
    for number in range(80):
        own = [rng.randrange(VOCABULARY) for _ in range(rng.randint(3, 90))]
        num_target = rng.randint(1, len(own) - 1 if number % 4 == 0 else 1)
        made.append(Encoded(own if number % 20 == 7 else prefix + own, num_target, ""))
    return made


def reference(model: Any, rows: list[Encoded]) -> list[list[float]]:
    """log P of every target token of each row alone, weights and arithmetic in float64."""
    double = copy.deepcopy(model).double()
    found = []
    for row in rows:
        with torch.no_grad():
            logits = double(torch.tensor([row.ids])).logits[0]
        terms = []
        for position in range(len(row.ids) - row.num_target, len(row.ids)):
            before = logits[position - 1]
            terms.append((before[row.ids[position]] - torch.logsumexp(before, 0)).item())
        found.append(terms)
    return found


def measured(
    model: Any, rows: list[Encoded], batch_size: int | None, tokens: int | None, prefix: bool
) -> list[Measured]:
    """What the engine says, in the order of `rows`, which it sees shuffled."""
    order = list(range(len(rows)))
    random.Random(batch_size).shuffle(order)
    forcing, shuffled = TeacherForcing(model, pad_id=0), [rows[i] for i in order]
    with_prefix = [row for row in shuffled if row.ids[:12] == rows[0].ids[:12]]
    share_prefix(forcing, with_prefix, use_prefix=prefix)
    found = {
        order[i]: one for batch in measure(forcing, shuffled, Budget(tokens, "cpu"), batch_size) for i, one in batch
    }
    return [found[i] for i in range(len(rows))]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("prefix", [True, False], ids=["prefix", "whole"])
@pytest.mark.parametrize("batch_size", [1, 7, 64, None])
def test_every_number_is_within_1e5_of_the_float64_reference(
    rows: list[Encoded], name: str, prefix: bool, batch_size: int | None
) -> None:
    lm = model(name)
    expected = reference(lm, rows)
    confidence = np.exp([math.fsum(terms) / len(terms) for terms in expected])
    assert confidence.std() > 0.01  # a constant would make the comparison below empty
    for terms, s, got in zip(expected, confidence, measured(lm, rows, batch_size, 4096, prefix), strict=True):
        assert abs(math.exp(got.mean_logprob) - s) < 1e-5
        total = math.fsum(terms)
        assert abs(got.sum_logprob - total) < 1e-5 * max(1, abs(total))
        assert abs(got.mean_logprob - total / len(terms)) < 1e-5 * max(1, abs(total / len(terms)))
        assert abs(got.min_logprob - min(terms)) < 1e-5 * max(1, abs(min(terms)))
        assert got.token_logprobs == pytest.approx(terms, rel=1e-5, abs=1e-5)


def test_who_shares_a_prefix_and_who_must_not(rows: list[Encoded]) -> None:
    saved = {name: sum(one.prefix_tokens for one in measured(model(name), rows, 7, None, True)) for name in MODELS}
    # 76 of the 80 rows begin with the 12 tokens; windows of 8 tokens do not reach back over them
    assert saved == {name: 0 if name in ("gemma2", "mistral") else 76 * 12 for name in MODELS}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_whose_last_layer_is_computed_at_targets_alone_and_who_is_run_whole(
    rows: list[Encoded], dtype: torch.dtype
) -> None:
    """Half precision must not let through what float32 tells apart: norms, factors, caps, layers without positions."""
    shortened, split = set(), set()
    for name in MODELS | ODD:
        lm = model(name).to(dtype)
        forcing = TeacherForcing(lm, 0)
        share_prefix(forcing, rows)
        if forcing.last_layer is not None:
            shortened.add(name)
            computed = []
            hook = forcing.last_layer.layer.mlp.register_forward_hook(lambda *seen, done=computed: done.append(seen[2]))
            forcing.hidden(rows[1:2])
            hook.remove()
            assert [out.shape[:2] for out in computed] == [(1, rows[1].num_target)]
        if forcing.is_split:
            split.add(name)
    assert shortened == {"qwen2", "llama"}
    assert split == set(MODELS) - {"gemma2"}


def test_padding_and_tokens_are_counted(rows: list[Encoded]) -> None:
    got = measured(model("qwen2"), rows, 7, 4096, True)
    for row, one in zip(rows, got, strict=True):
        assert (one.num_tokens, one.num_target_tokens) == (len(row.ids), row.num_target)
    widths = [one.num_tokens - 1 - one.prefix_tokens + one.padded_tokens for one in got]
    assert all(one.padded_tokens >= 0 for one in got) and len(set(widths)) <= math.ceil(76 / 7) + 1


def test_half_precision_is_near_and_finished_in_float32(rows: list[Encoded]) -> None:
    """bf16 weights and body; from the final hidden states on float32, so nothing beyond the body's rounding is lost."""
    lm = model("qwen2").bfloat16()
    forcing = TeacherForcing(lm, 0)
    share_prefix(forcing, rows[:2])
    with torch.no_grad():
        states = forcing.hidden(rows[:1])
        exact = torch.log_softmax(states.double() @ lm.lm_head.weight.double().T, -1)
    targets = torch.tensor(rows[0].ids[-rows[0].num_target :])
    got = forcing.logprobs(states, targets)
    assert (got - exact.gather(1, targets[:, None])[:, 0]).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_of_a_model_that_is_run_whole_is_finished_in_float32(
    rows: list[Encoded], dtype: torch.dtype
) -> None:
    """Gemma 2 caps its logits itself: exact from the states that go into its head, and nearer to float64 over all."""
    lm = weakly_capped()
    lm.lm_head = torch.nn.Linear(64, VOCABULARY, bias=False)  # logits about as large as real models'
    torch.nn.init.normal_(lm.lm_head.weight, std=1.0)
    lm = lm.to(dtype).eval()
    forcing, states, rounded = TeacherForcing(lm, 0), [], []
    share_prefix(forcing, rows)
    assert not forcing.is_split
    lm.lm_head.register_forward_hook(lambda head, args, out: states.append(args[0].double()))
    for row in rows[:20]:
        places, targets = slice(-row.num_target - 1, -1), torch.tensor(row.ids[-row.num_target :])[:, None]
        got = forcing.whole([row])
        with torch.no_grad():
            capped = 30 * torch.tanh(states[-1][0, places] @ lm.lm_head.weight.double().T / 30)
            plain = lm(torch.tensor([row.ids])).logits[0, places].float()
        exact, own = (torch.log_softmax(logits, -1).gather(1, targets)[:, 0] for logits in (capped, plain))
        assert (got - exact).abs().max() < 1e-4
        rounded.append(own.tolist())
    got = [one.token_logprobs for one in measured(lm, rows[:20], 1, 4096, False)]
    expected = [term for terms in reference(lm, rows[:20]) for term in terms]
    ours, theirs = (
        np.abs(np.array([term for terms in found for term in terms]) - expected) for found in (got, rounded)
    )
    assert ours.mean() < theirs.mean() and ours.max() <= theirs.max()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_padding_side_of_the_tokenizer_changes_nothing(side: str) -> None:
    """Texts of several lengths in one batch: given answers, and the model's own, which are greedy token by token."""
    folder = packaged("package:lab/tiny")
    tokenizer, lm = load_tokenizer(folder), load_model(folder, "float32", "cpu")
    tokenizer.padding_side = side
    chats = [[{"role": "user", "content": question}] for question in ("2+3=?", "12+3-4+20-7=?", "99-1+2=?")]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    double = copy.deepcopy(lm).double()
    scorer = OwnScorer(lm, HFEngine(lm, tokenizer, 4096, end_ids(folder, tokenizer)), pad_id(tokenizer), 4096, None)
    rows = encode(tokenizer, [text + "<answer> -24" for text in texts], [len(text) + 9 for text in texts])
    prompts = tokenizer(texts, add_special_tokens=False)["input_ids"]
    (part,) = scorer.respond(texts, prompts, 96)
    said = dict(part)
    rows += [Encoded([*prompts[i], *said[i].ids], len(said[i].ids), "") for i in range(3)]
    assert len({len(row.ids) for row in rows}) == 6
    found = dict(item for batch in scorer.measure(rows) for item in batch)
    assert sum(one.padded_tokens for one in found.values()) > 0
    for i, terms in enumerate(reference(double, rows)):
        assert found[i].token_logprobs == pytest.approx(terms, rel=1e-5, abs=1e-5)
    for row in rows[3:]:
        with torch.no_grad():
            best = double(torch.tensor([row.ids])).logits[0].argmax(-1)
        assert best[-row.num_target - 1 : -1].tolist() == row.ids[-row.num_target :]


def test_a_uniform_model_has_confidence_one_over_the_vocabulary() -> None:
    flat = model("qwen2")
    torch.nn.init.zeros_(flat.lm_head.weight)
    (one,) = measured(flat, [Encoded([1, 2, 3, 4], 2, "")], 1, 4096, True)
    assert math.exp(one.mean_logprob) == pytest.approx(1 / VOCABULARY, rel=1e-6)
    assert one.sum_logprob == pytest.approx(2 * math.log(1 / VOCABULARY), rel=1e-6)


@pytest.mark.parametrize("vocabulary", [16384, 16385, 40000])
def test_a_vocabulary_of_several_chunks_is_normalised_as_one(vocabulary: int) -> None:
    torch.manual_seed(1)
    lm = Qwen2ForCausalLM(Qwen2Config(**{**GROUPED, "vocab_size": vocabulary, "num_hidden_layers": 1})).eval()
    rows = [Encoded([1, 2, target, 3], 2, "") for target in (0, 16383, vocabulary - 1)]
    expected = reference(lm, rows)
    for terms, got in zip(expected, measured(lm, rows, None, 4096, False), strict=True):
        assert got.token_logprobs == pytest.approx(terms, abs=1e-5)


class RunsOut(TorchFunctionMode):
    """A machine whose memory does not suffice for the first `times` calls of PyTorch that `is_too_much` picks."""

    def __init__(self, is_too_much: Callable[[str, Any], bool], times: float) -> None:
        super().__init__()
        self.is_too_much, self.left = is_too_much, times

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.left > 0 and self.is_too_much(func.__name__, args):
            self.left -= 1
            raise torch.OutOfMemoryError(f"no memory for {func.__name__}")
        return func(*args, **(kwargs or {}))


PLACES: dict[str, Callable[[str, Any], bool]] = {
    "body": lambda name, args: name == "scaled_dot_product_attention",
    "head": lambda name, args: name == "logsumexp",
    "last columns of the head": lambda name, args: name == "logsumexp" and args[0].shape[1] < VOCAB_CHUNK,
    "states put together": lambda name, args: name == "cat" and args[0][0].dim() == 2,
}


@pytest.mark.parametrize("place", PLACES)
def test_memory_that_runs_out_changes_no_number(rows: list[Encoded], place: str) -> None:
    torch.manual_seed(1)
    lm = Qwen2ForCausalLM(Qwen2Config(**{**GROUPED, "vocab_size": 20_000})).eval()
    expected = measured(lm, rows, None, 600, False)
    forcing, budget = TeacherForcing(lm, 0), Budget(600, "cpu")
    share_prefix(forcing, rows, use_prefix=False)
    with RunsOut(PLACES[place], 1) as memory:
        found = dict(item for batch in measure(forcing, rows, budget, None) for item in batch)
    assert memory.left == 0 and len(found) == len(rows)
    assert (budget.tokens < 600, forcing.head_rows < HEAD_ROWS) == (place == "body", "head" in place)
    for i, one in enumerate(expected):
        assert found[i].token_logprobs == pytest.approx(one.token_logprobs, rel=1e-6, abs=1e-6)


def test_a_head_that_never_fits_is_told(rows: list[Encoded]) -> None:
    forcing = TeacherForcing(model("qwen2"), 0)
    share_prefix(forcing, rows)
    with RunsOut(PLACES["head"], math.inf), pytest.raises(UserError, match="one prompt alone does not fit"):
        list(measure(forcing, rows, Budget(600, "cpu"), None))


@pytest.mark.parametrize("name", MODELS)
def test_packed_layers_give_the_same_numbers(rows: list[Encoded], name: str) -> None:
    lm = model(name)
    expected = reference(lm, rows)
    pack(lm)
    kinds = {type(module).__name__ for module in lm.modules()}
    # Gemma's gate is another function and its norm multiplies by 1 + weight; GPT-2's layers are no nn.Linear
    assert {"PackedGatedMLP", "FusedRMSNorm", "PackedLinear"} <= kinds or name in ("gemma2", "gpt2")
    assert not {"PackedGatedMLP", "FusedRMSNorm"} & kinds or name not in ("gemma2", "gpt2")
    for terms, got in zip(expected, measured(lm, rows, 7, 4096, True), strict=True):
        assert abs(math.exp(got.mean_logprob) - math.exp(math.fsum(terms) / len(terms))) < 1e-5
        assert got.token_logprobs == pytest.approx(terms, rel=1e-5, abs=1e-5)
