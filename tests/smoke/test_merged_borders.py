"""Targets whose first token also holds what stands before them: listed and told, never silently off."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from tests.scoring_only import collect
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.prepare import prepare

pytestmark = pytest.mark.smoke
POOL = ("dataset.num_prompts=60", "ratio=50pct", "launch.threads_per_rank=1", "tracker=off")


def save_model(folder: Path) -> None:
    """A model of random weights whose tokenizer reads bytes, and "> 1" as one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, ">Ġ", ">Ġ1", "<end>"]
    merges = [(">", "Ġ"), (">Ġ", "1")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    whole.chat_template = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    whole.save_pretrained(folder)
    sizes = {"vocab_size": len(tokens), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    GPTNeoXForCausalLM(GPTNeoXConfig(**sizes, num_attention_heads=2)).save_pretrained(folder)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.soak
def test_merged_borders_are_listed_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "merging")
    (job,) = compose_jobs(POOL)
    merged = [p.id for p in prepare(load(job.plain)).pool.prompts if p.answer.startswith("1")]  # behind "<answer> "
    assert 0 < len(merged) < 60
    overrides = (*POOL, "model.path=merging", "template=short", "train=lab", "model.dtype=float32")
    account, _ = collect(overrides)
    assert account["merged_borders"] == merged
    (message,) = told(caplog)
    assert f"in {len(merged)} of 60 prompts" in message and f"first {merged[0]};" in message
    assert "signals.confidence.merged_borders" in message
    caplog.clear()
    stored, _ = collect(overrides)
    assert stored["num_cached"] == 60 and stored["merged_borders"] == merged and told(caplog) == [message]

    caplog.clear()
    account, _ = collect(POOL)  # the lab's tokenizer merges nothing
    assert account["merged_borders"] == [] and told(caplog) == []
