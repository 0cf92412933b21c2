"""The cost record: operations by hand from a small model's shapes, and against PyTorch's own counter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import GraniteConfig, GraniteForCausalLM, Qwen2Config, Qwen2ForCausalLM

from ufo_rl.model.engine import Sampling
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.weights import load_model, load_tokenizer, packaged
from ufo_rl.signals.confidence.last_layer import target_weights
from ufo_rl.signals.confidence.scorers import OwnScorer
from ufo_rl.signals.confidence.spans import Encoded
from ufo_rl.signals.costs import account, flops, remember
from ufo_rl.signals.flops import weights, weights_of

LAB = packaged("package:lab/tiny")
# two layers: queries 8 x 8 + 8, keys and values 8 x 4 + 4 each, output 8 x 8, three matrices 8 x 16, two norms; a last norm
BODY = 2 * (72 + 36 + 36 + 64 + 384 + 16) + 8
HEAD = 10 * 8
LAST = 72 + 64 + 384  # of the last layer, at targets alone
SHAPES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
SHAPES |= {"intermediate_size": 16, "vocab_size": 10, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
FACTS = {"body_weights": BODY, "head_weights": HEAD, "token_weights": BODY - LAST, "target_weights": HEAD + LAST}


def test_the_weights_of_a_small_model_by_hand(tmp_path: Path) -> None:
    for tied in (True, False):
        lm = Qwen2ForCausalLM(Qwen2Config(**SHAPES, tie_word_embeddings=tied))
        assert weights(lm) == (BODY, HEAD) == (1224, 80)
        lm.save_pretrained(tmp_path)
        assert weights_of(tmp_path) == (BODY, HEAD)
    assert target_weights(lm.base_model) == LAST


def test_what_is_computed_at_targets_alone_by_hand() -> None:
    """Qwen's last layer and head; nothing of a model whose logits are scaled: it is run whole."""
    granite = GraniteForCausalLM(GraniteConfig(**SHAPES, logits_scaling=1.1))
    body = BODY - 2 * (8 + 4 + 4)  # no biases
    for lm, expected in (
        (Qwen2ForCausalLM(Qwen2Config(**SHAPES)), (BODY - LAST, HEAD + LAST, BODY)),
        (granite, (body + HEAD, 0, body)),
    ):
        scorer = OwnScorer(lm.eval(), HFEngine(lm, load_tokenizer(LAB), 64, []), 0, None, None)
        list(scorer.measure([Encoded([1, 2, 3, 4], 2, "")]))
        facts = scorer.facts()
        assert tuple(facts[name] for name in ("token_weights", "target_weights", "body_weights")) == expected


def test_operations_by_hand() -> None:
    """Two texts of 20 and 30 tokens, 3 and 1 of them target, 5 saved by the prefix each, 4 of padding."""
    columns = {"num_tokens": [20, 30], "num_target_tokens": [3, 1], "prefix_tokens": [5, 5], "padded_tokens": [4, 0]}
    given = pa.table(columns)
    assert flops(given, FACTS) == 2 * (704 * (14 + 24 + 4) + 600 * 4) == 63_936
    # the same where the targets were generated first: prompts of 17 and 29 tokens, 19 + 29 tokens through the body
    responses = given.append_column("generated_tokens", pa.array([3, 1]))
    assert flops(responses, FACTS) == 63_936 + 2 * (1224 * (19 + 29) + 80 * 4)
    # K = 2 samples of a prompt of 10 tokens, 4 and 6 long: 13 + 15 tokens through the body
    samples = pa.table({"num_tokens": [10, 10], "generated_tokens": [4, 6]})
    assert flops(samples, FACTS) == 2 * (1224 * 28 + 80 * 10) == 70_144
    assert flops(samples, {}) is None
    assert flops(pa.table({"num_tokens": [10, None], "generated_tokens": [4, 6]}), FACTS) is None


def test_a_generation_by_the_counter_of_pytorch() -> None:
    """Products of matrices that PyTorch counts while a prompt is read and 7 tokens are generated."""
    model, tokenizer = load_model(LAB, "float32", "cpu"), load_tokenizer(LAB)
    matrices = sum(p.numel() for name, p in model.base_model.named_parameters() if p.dim() == 2 and "embed" not in name)
    body, head = weights(model)
    engine = HFEngine(model, tokenizer, 4096, [])
    with FlopCounterMode(display=False):  # the first proves the cache, and that global hooks leave the loop aside
        next(engine.generate(["2+3=? and more"], Sampling(1.0, 1), [0]))
    with FlopCounterMode(display=False) as counter:
        ((_, said),) = next(engine.generate(["2+3=? and more"], Sampling(1.0, 7), [0]))
    rows = pa.table(
        {"num_tokens": [len(tokenizer("2+3=? and more")["input_ids"])], "generated_tokens": [len(said.ids)]}
    )
    expected = flops(rows, {"body_weights": matrices, "head_weights": head})
    counted = counter.get_flop_counts()["Global"]
    assert len(said.ids) == 7 and 0.98 < matrices / body < 1  # norms and biases
    assert counted[torch.ops.aten.mm] + counted.get(torch.ops.aten.addmm, 0) == expected


def test_what_is_stored_tells_what_it_cost(tmp_path: Path) -> None:
    keys, times = ["a", "b", "c"], {"seconds": [1.0, 2.0, 3.0], "device_seconds": [2.0, 4.0, 6.0]}
    times |= {"startup_seconds": [0.5, 0.0, 1.0], "startup_device_seconds": [1.0, 0.0, 2.0]}
    found = pa.table({"key": keys, "num_tokens": [10, 10, 10], "generated_tokens": [4, 6, 5], **times})
    assert account(found, keys, [], remember(tmp_path, [])).keys().isdisjoint({"cost_flops", "flops"})

    ranks = [{**FACTS, "matrix_flops_per_s": 1e5, "peak_memory_gib": peak} for peak in (1.5, 2.5)]
    paid = account(found, ["c"], ranks, remember(tmp_path, ranks))
    assert (paid["flops"], paid["cost_flops"]) == (70_144, 70_144 + 2 * (1224 * 14 + 80 * 5))
    assert paid["share_of_matrix_rate"] == 70_144 / (2.5 * 2e5)  # of measuring: 3 s, 0.5 s of them start-up
    assert (paid["forward_tokens"], paid["generated_tokens"], paid["cost_forward_tokens"]) == (18, 10, 27)

    smaller = [{**rank, "peak_memory_gib": 0.5} for rank in ranks]
    remember(tmp_path, smaller)  # a later run that adds a few
    later: dict[str, Any] = account(found, keys, [], remember(tmp_path, []))
    assert {name: later[name] for name in later if name.startswith("cost_")} == {
        "cost_seconds": 6.0,
        "cost_device_seconds": 12.0,
        "cost_startup_seconds": 1.5,
        "cost_measuring_seconds": 4.5,
        "cost_measuring_device_seconds": 9.0,
        "cost_forward_tokens": 27,
        "cost_padded_tokens": 0,
        "cost_prefix_tokens": 0,
        "cost_generated_tokens": 15,
        "cost_peak_memory_gib": 2.5,
        "cost_flops": paid["cost_flops"],
    }
    assert "flops" not in later and later["forward_tokens"] == later["generated_tokens"] == 0


def test_rows_of_an_earlier_version_do_not_tell_start_up_from_measuring(tmp_path: Path) -> None:
    """One such row, in a store of two kinds or alone: not known, which is not 0."""
    now = pa.table({"key": ["b"], "seconds": [2.0], "device_seconds": [2.0], "startup_seconds": [0.5]})
    before = pa.table({"key": ["a"], "seconds": [1.0], "device_seconds": [1.0]})
    for found in (before, pa.concat_tables([before, now], promote_options="permissive")):
        paid = account(found, [], [], {})
        assert paid["cost_seconds"] == sum(found["seconds"].to_pylist())
        assert [paid[f"cost_{name}_seconds"] for name in ("startup", "measuring", "measuring_device")] == [None] * 3
    assert account(now, [], [], {})["cost_measuring_seconds"] == 1.5
