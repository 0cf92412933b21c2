"""Every causal architecture of transformers, tiny and random: scored and generated as its own forward pass has it.

Here two of each kind (partial rotary positions, windows, states, experts, ALiBi, learned positions, capped logits, ...);
`make soak` does all. tests/data/architectures.json says what each is run without, and what cannot be built and why.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from tests.tiny_architectures import saved
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.model.engine import Sampling
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer
from ufo_rl.signals.confidence.rank import open_scorer
from ufo_rl.signals.confidence.settings import Confidence, ConfidenceRequest
from ufo_rl.signals.confidence.spans import Encoded, encode

PINNED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "architectures.json").read_text(encoding="utf-8")
)
KINDS = {
    "as Llama": "qwen2 llama",
    "norms of queries and keys, norms behind, joined matrices": "qwen3 olmo2",
    "partial rotary positions": "nemotron glm",
    "other positions": "smollm3 gpt2",
    "windows and chunks": "mistral gemma3_text",
    "logits scaled or capped": "gemma2 cohere",
    "parallel parts, shared keys": "falcon gpt_bigcode",
    "states": "mamba mamba2",
    "states and attention": "jamba zamba2",
    "experts": "olmoe qwen2_moe",
    "latent or sparse attention": "deepseek_v2 deepseek_v3",
    "no causal attention": "doge xlnet",
}
OF_EACH_KIND = [name for names in KINDS.values() for name in names.split()]
GENERATED = "qwen2 mamba rwkv xlstm recurrent_gemma jamba roberta deepseek_v4 whisper gemma3_text"
CHARACTERS, PREFIX = "abcdefghij 0123456789+-", "the same beginning: "
LENGTHS = (
    (3, 1),
    (9, 2),
    (17, 5),
    (30, 3),
    (44, 7),
    (61, 2),
)  # characters, each a token, behind the prefix; of the target


def texts() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Texts and the lengths of their targets: a first block, and a later one with a longer row, without the prefix."""
    rng = random.Random(0)

    def words(length: int) -> str:
        return "".join(rng.choice(CHARACTERS) for _ in range(length))

    return [(PREFIX + words(n), target) for n, target in LENGTHS], [(words(97), 4), (PREFIX + words(12), 3)]


def plain(model: Any, row: Encoded) -> list[float]:
    """Log-probabilities of the target tokens by transformers alone: one row, no padding, float32."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0].float()
    logprobs, length = torch.log_softmax(logits, -1), len(row.ids)
    return [logprobs[t - 1, row.ids[t]].item() for t in range(length - row.num_target, length)]


def scored(folder: Path) -> tuple[float, list[str]]:
    """Largest difference of a log-probability between a rank's scoring and the plain way; what was left out."""
    (job,) = compose_jobs(["model=tiny", "dataset=arithmetic"])
    config = load(job.plain)
    node = {key: value for key, value in config.signal["confidence"].items() if key != "_target_"}
    request = ConfidenceRequest(folder, "float32", folder, Confidence(**node), config.engine)
    tokenizer = load_tokenizer(folder)
    scorer = open_scorer(request, "cpu", tokenizer)
    own, worst = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), 0.0
    for block in texts():
        rows = encode(tokenizer, [text for text, _ in block], [len(text) - target for text, target in block])
        found = dict(item for batch in scorer.measure(rows) for item in batch)
        assert len(found) == len(rows)
        for i, row in enumerate(rows):
            pairs = zip(plain(own, row), found[i].token_logprobs, strict=True)
            worst = max(worst, *(abs(expected - got) for expected, got in pairs))
            assert found[i].mean_logprob == pytest.approx(sum(found[i].token_logprobs) / row.num_target)
    return worst, sorted(scorer.facts()["without"])


def greedy(model: Any, ids: list[int], ends: list[int], count: int) -> list[int]:
    """Each next token by a forward pass of all before it."""
    made: list[int] = []
    while len(made) < count and not (made and made[-1] in ends):
        with torch.no_grad():
            made.append(int(model(input_ids=torch.tensor([ids + made]), use_cache=False).logits[0, -1].argmax()))
    return made


def generated(folder: Path) -> tuple[bool, str]:
    """Whether greedy completions of a batch are those of each text alone by the plain way; how they were made. Many tokens
    end a completion, so that rows leave at their own times."""
    tokenizer = load_tokenizer(folder)
    ends = [*end_ids(folder, tokenizer), *range(0, 256, 6)]
    engine = HFEngine(load_model(folder, "float32", "cpu"), tokenizer, 4096, ends)
    asked = [text for text, _ in texts()[0]]
    found = dict(item for batch in engine.generate(asked, Sampling(0.0, 8), [0] * len(asked)) for item in batch)
    own = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    expected = [greedy(own, tokenizer(text, add_special_tokens=False)["input_ids"], ends, 8) for text in asked]
    return [found[i].ids for i in range(len(asked))] == expected, engine.way


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_an_architecture_is_scored_as_its_own_forward_pass_has_it(name: str, tmp_path: Path) -> None:
    worst, without = scored(saved(name, tmp_path))
    assert worst < 1e-4
    assert without == PINNED[name]["scored_without"]


@pytest.mark.parametrize("name", GENERATED.split())
def test_an_architecture_generates_in_batches_what_it_does_alone(name: str, tmp_path: Path) -> None:
    is_same, way = generated(saved(name, tmp_path))
    assert is_same
    assert way == PINNED[name]["generated_by"]


def test_the_table_is_of_more_than_forty_architectures() -> None:
    assert {*OF_EACH_KIND} <= {*PINNED}
    assert [sum(key in entry for entry in PINNED.values()) for key in ("scored_without", "not_built")] == [171, 7]
