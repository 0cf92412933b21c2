"""Real vLLM beside transformers on the embedded lab: `make test-vllm`, in an environment of its own.

The tests run an exact copy of the lab with heads of 32 (wide.py).
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.vllm.wide import widen
from ufo_rl.dataset.arithmetic import Arithmetic
from ufo_rl.grader.math import MathGrader
from ufo_rl.model.engine import Engine, Sampling, sample_seed
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.engine.vllm_engine import VLLMEngine
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer, packaged, pad_id
from ufo_rl.records import Completion
from ufo_rl.signals.confidence.packing import PackedLinear
from ufo_rl.signals.confidence.scorers import OwnScorer, VLLMScorer
from ufo_rl.signals.confidence.spans import encode
from ufo_rl.signals.flops import weights

LAB = packaged("package:lab/tiny")
NUM_PROMPTS, NUM_SAMPLES = 48, 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return widen(LAB, tmp_path_factory.mktemp("lab") / "wide")


@pytest.fixture(scope="module")
def vllm_engine(folder: Path) -> VLLMEngine:
    tokenizer = load_tokenizer(folder)
    return VLLMEngine(folder, tokenizer, "float32", 2048, 0.2, end_ids(folder, tokenizer), {})


@pytest.fixture(scope="module")
def hf_engine(folder: Path) -> HFEngine:
    tokenizer = load_tokenizer(folder)
    return HFEngine(load_model(folder, "float32", "cpu"), tokenizer, 32768, end_ids(folder, tokenizer))


@pytest.fixture(scope="module")
def prompts() -> tuple[list[str], list[str]]:
    """Rendered prompts of all levels, and their answers."""
    pool = Arithmetic("test", NUM_PROMPTS, [1, 2, 3, 4, 5, 6], 0).load().prompts
    tokenizer = load_tokenizer(LAB)
    chats = [[{"role": "user", "content": prompt.question}] for prompt in pool]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    return texts, [prompt.answer for prompt in pool]


def generated(engine: Engine, texts: list[str], sampling: Sampling, seeds: Sequence[int]) -> dict[int, Completion]:
    return dict(item for finished in engine.generate(texts, sampling, seeds) for item in finished)


def test_the_wide_copy_is_the_lab(folder: Path, prompts: tuple[list[str], list[str]]) -> None:
    ids = load_tokenizer(LAB)(prompts[0][0], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        narrow, wide = (load_model(path, "float32", "cpu")(ids).logits for path in (LAB, folder))
    assert (narrow - wide).abs().max() < 1e-3 * narrow.abs().max()


def test_greedy_answers_are_the_same(
    vllm_engine: VLLMEngine, hf_engine: HFEngine, prompts: tuple[list[str], list[str]]
) -> None:
    """Up to ties within float32 rounding: at most one of 48 may differ."""
    greedy, seeds = Sampling(0.0, 96), [0] * NUM_PROMPTS
    one, other = (generated(engine, prompts[0], greedy, seeds) for engine in (vllm_engine, hf_engine))
    assert sum(one[i] != other[i] for i in range(NUM_PROMPTS)) <= 1


def test_completions_come_as_they_finish_and_an_end_leaves_nothing_running(
    vllm_engine: VLLMEngine, prompts: tuple[list[str], list[str]]
) -> None:
    sampled = vllm_engine.generate([prompts[0][5]] * 40, Sampling(1.0, 96), range(40))
    first = [i for _ in range(3) for i, _ in next(sampled)]
    sampled.close()
    assert 3 <= len(set(first)) == len(first) < 40 and not vllm_engine.llm.llm_engine.has_unfinished_requests()
    again = generated(vllm_engine, [prompts[0][5]] * 40, Sampling(1.0, 96), range(40))
    assert sorted(again) == list(range(40)) and list(again) != sorted(again)  # by length, not by place


def test_an_evaluation_gives_the_same_answers(folder: Path, tmp_path: Path) -> None:
    """`ufo-rl evaluate` on 300 questions of the lab by both engines: up to ties within float32 rounding, at most 3 differ."""
    found = []
    for engine in ("hf", "vllm"):
        command = [sys.executable, "-m", "ufo_rl.cli", "evaluate", f"model.path={folder}", f"engine={engine}"]
        command += [
            "eval=arithmetic",
            "eval.arithmetic.limit=300",
            "tracker=off",
            f"name={engine}",
            "engine.memory_share=0.2",
        ]
        command += ["template=short", "model.max_completion_tokens=96"]
        subprocess.run(command, check=True, cwd=tmp_path)
        (path,) = tmp_path.glob(f"outputs/evaluations/{engine}/*/eval/arithmetic/questions.parquet")
        found.append({row["id"]: row for row in pq.read_table(path).to_pylist()})
    one, other = found
    differing = [i for i in one if one[i]["completion"] != other[i]["completion"]]
    assert len(one) == len(other) == 300 and len(differing) <= 3, len(differing)
    assert sum(one[i]["correct"] for i in one) > 60  # the lab knows a third: it is no comparison of silence


def test_pass_rates_agree_within_their_sampling_error(
    vllm_engine: VLLMEngine, hf_engine: HFEngine, prompts: tuple[list[str], list[str]]
) -> None:
    """Two samples of 768 answers each: the difference of the overall rates beyond 3.3 standard errors, or a chi-square
    over prompts beyond its 99.9 % point, would come by chance in 1 of 1,000 runs each; the seeds are fixed."""
    texts, golds = prompts
    grader, sampling = MathGrader(5.0, 10_000), Sampling(1.0, 96)
    repeated = [text for text in texts for _ in range(NUM_SAMPLES)]
    seeds = [sample_seed(0, str(i // NUM_SAMPLES), i % NUM_SAMPLES) for i in range(len(repeated))]
    correct = []
    for engine in (vllm_engine, hf_engine):
        said = generated(engine, repeated, sampling, seeds)
        verdicts = [grader.grade(golds[i // NUM_SAMPLES], said[i].text).correct for i in range(len(repeated))]
        correct.append(np.array(verdicts, dtype=float).reshape(NUM_PROMPTS, NUM_SAMPLES))
    one, other = correct[0].mean(1), correct[1].mean(1)
    pooled = (one + other) / 2
    variance = pooled * (1 - pooled) * 2 / NUM_SAMPLES  # of a prompt's difference
    assert 0.1 < pooled.mean() < 0.9
    assert abs((one - other).sum()) <= 3.3 * math.sqrt(variance.sum())
    varied = variance > 0
    squares = ((one - other)[varied] ** 2 / variance[varied]).sum()
    n = int(varied.sum())
    assert squares <= n + 3.1 * math.sqrt(2 * n) + 6.4  # a bound above chi-square's 99.9 % point (Laurent and Massart)


def test_a_seed_says_what_is_drawn(vllm_engine: VLLMEngine, prompts: tuple[list[str], list[str]]) -> None:
    texts, sampling = [prompts[0][5]] * 8, Sampling(1.0, 96)
    one, other = (generated(vllm_engine, texts, sampling, range(8)) for _ in range(2))
    assert one == other and len({completion.text for completion in one.values()}) > 1


def test_one_pass_confidence_agrees(
    vllm_engine: VLLMEngine, hf_engine: HFEngine, folder: Path, prompts: tuple[list[str], list[str]]
) -> None:
    """Scorer against scorer, ours with all that makes it fast: confidence within 1e-4, mean log-probability within 1e-3,
    both in float32."""
    texts, golds = prompts
    tokenizer = load_tokenizer(folder)
    heads = [f"what all prompts begin with: {text}<answer> " for text in texts]
    rows = encode(tokenizer, [h + g for h, g in zip(heads, golds, strict=True)], [len(head) for head in heads])
    own = OwnScorer(load_model(folder, "float32", "cpu"), hf_engine, pad_id(tokenizer), 4096, None)
    ours, theirs = (
        dict(item for batch in scorer.measure(rows) for item in batch) for scorer in (own, VLLMScorer(vllm_engine))
    )
    assert own.forcing.last_layer is not None
    assert any(isinstance(module, PackedLinear) for module in own.forcing.model.modules())
    assert sorted(ours) == sorted(theirs) == list(range(NUM_PROMPTS))
    for i, one in ours.items():
        assert (
            one.prefix_tokens >= len("what all prompts begin with: ")
            and theirs[i].num_target_tokens == one.num_target_tokens
        )
        assert theirs[i].token_logprobs == pytest.approx(one.token_logprobs, abs=3e-3)
        a, b = one.mean_logprob, theirs[i].mean_logprob
        assert abs(a - b) < 1e-3 and abs(math.exp(a) - math.exp(b)) < 1e-4


def test_the_cost_of_both_is_counted_by_the_same_weights(vllm_engine: VLLMEngine, folder: Path) -> None:
    body, head = weights(load_model(folder, "float32", "cpu"))
    assert VLLMScorer(vllm_engine).facts() == {
        "token_weights": body + head,
        "target_weights": 0,
        "body_weights": body,
        "head_weights": head,
    }
