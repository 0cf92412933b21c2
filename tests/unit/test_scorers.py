"""Responses of the model's own: handed on while the rest is still generated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from ufo_rl.model.engine import Sampling
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer, packaged, pad_id
from ufo_rl.records import Completion
from ufo_rl.signals.confidence import scorers
from ufo_rl.signals.confidence.measure import Measured
from ufo_rl.signals.confidence.spans import MIN_PREFIX, Encoded


class Counting:
    """An engine that counts what it has made."""

    made = 0

    def generate(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Completion]]]:
        for i in reversed(range(len(texts))):
            self.made += 1
            yield [(i, Completion(texts[i], [i], "stop"))]


def test_responses_come_while_others_are_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorers, "PART_S", 0.0)
    engine = Counting()
    parts = scorers.greedy(engine, ["a", "b", "c"], 4)
    assert [(i, said.text) for i, said in next(parts)] == [(2, "c")] and engine.made == 1
    assert [i for part in parts for i, _ in part] == [1, 0]


def test_quick_responses_come_together() -> None:
    (part,) = scorers.greedy(Counting(), ["a", "b", "c"], 4)
    assert [i for i, _ in part] == [2, 1, 0]


def test_responses_that_finish_one_by_one_share_the_prefix_of_all_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is measured alone, the first too, and takes from the cache what all prompts begin with; no number moves."""
    monkeypatch.setattr(scorers, "PART_S", 0.0)
    folder = packaged("package:lab/tiny")
    tokenizer = load_tokenizer(folder)
    texts = [f"the same beginning, then {n}+{n}=?" for n in range(6)]
    prompts = tokenizer(texts, add_special_tokens=False)["input_ids"]
    shared = len("the same beginning, then ")  # a token is a byte

    def measured(batch_tokens: int) -> dict[int, Measured]:
        model = load_model(folder, "float32", "cpu")
        engine = HFEngine(model, tokenizer, batch_tokens, end_ids(folder, tokenizer))
        scorer, found = scorers.OwnScorer(model, engine, pad_id(tokenizer), None, None), {}
        for part in scorer.respond(texts, prompts, 8):
            rows = [Encoded([*prompts[i], *said.ids], len(said.ids), "") for i, said in part]
            found |= {part[j][0]: one for batch in scorer.measure(rows) for j, one in batch}
            sizes.append(len(part))
        return found

    sizes: list[int] = []
    singly, together = measured(1), measured(4096)
    assert sizes == [1] * 6 + [6] and shared >= MIN_PREFIX
    assert [singly[i].prefix_tokens for i in range(6)] == [shared] * 6 == [together[i].prefix_tokens for i in range(6)]
    for i in range(6):
        assert singly[i].token_logprobs == pytest.approx(together[i].token_logprobs, abs=1e-5)
