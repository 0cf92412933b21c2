"""The script that made the labs' models: a stopped run continues to the very same weights; the rows of their corpora."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from safetensors.torch import load_file

from ufo_rl.dataset.arithmetic import Problem
from ufo_rl.dataset.rules import KINDS, RULES, world
from ufo_rl.lab import arithmetic_corpus, pretrain
from ufo_rl.lab import tokenizer as lab_tokenizer
from ufo_rl.lab.arithmetic_corpus import ArithmeticRecipe
from ufo_rl.lab.recipe import batches, learning_rate_at
from ufo_rl.lab.rules_corpus import RulesRecipe

SMALL = {"steps": 4, "chunk_steps": 2, "batch_size": 4, "warmup_steps": 1, "decay_share": 0.25}
RECIPE = ArithmeticRecipe(**SMALL)


def weights(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


def test_three_styles_by_hand():
    problem = Problem((47, 5, -12))
    assert arithmetic_corpus.completion(problem, "direct") == "<answer> 40</answer>"
    assert arithmetic_corpus.completion(problem, "short") == "<think>47+5-12=40</think><answer> 40</answer>"
    assert arithmetic_corpus.completion(problem, "long") == "<think>47+5=52;52-12=40</think><answer> 40</answer>"


def test_learning_rate_by_hand():
    recipe = ArithmeticRecipe(steps=100, learning_rate=1.0, warmup_steps=10, decay_share=0.2)
    rates = [learning_rate_at(recipe, step) for step in (0, 9, 50, 80, 90, 99)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 1.0, 0.5, 0.05])


@pytest.mark.parametrize("recipe", [RECIPE, RulesRecipe(**SMALL)])
def test_a_stopped_run_continues_to_the_same_weights(tmp_path, monkeypatch, recipe):
    pretrain.train(recipe, tmp_path / "whole")
    save = pretrain.save_checkpoint

    def save_and_stop(*arguments) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain.train(recipe, tmp_path / "stopped")
    assert not (tmp_path / "stopped").exists()
    pretrain.train(recipe, tmp_path / "stopped")
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert whole.keys() == stopped.keys()
    assert all((whole[name] == stopped[name]).all() for name in whole)


def test_a_checkpoint_serves_other_lengths_only_before_the_decay():
    before = json.loads(json.dumps(dataclasses.asdict(RECIPE)))
    assert pretrain.continued(before, RECIPE, 4) == before
    longer = dataclasses.replace(RECIPE, steps=8)
    assert pretrain.continued(before, longer, 3)["steps"] == 8
    with pytest.raises(ValueError, match="another recipe"):
        pretrain.continued(before, longer, 4)
    with pytest.raises(ValueError, match="another recipe"):
        pretrain.continued(before, dataclasses.replace(RECIPE, seed=1), 2)


def test_the_rules_corpus_uses_each_letter_as_its_world_says() -> None:
    letters, used = world(0), {}
    rows = RulesRecipe().rows(6000, Random(0))
    assert sum(not row.is_start_taught for row in rows) == pytest.approx(1500, abs=4 * (6000 * 0.25 * 0.75) ** 0.5)
    for row in rows:
        thinking, is_there, _ = row.completion.partition("</think>")
        assert bool(is_there) == row.is_start_taught == row.completion.startswith("<think>")
        if not is_there:
            continue
        names = [sign for sign in row.question if sign.isalpha()]
        symbols = [next(sign for sign in step if sign in RULES) for step in thinking.removeprefix("<think>").split(";")]
        pairs = set(zip(names, symbols, strict=True))
        assert len(pairs) == len(set(names))  # a row keeps to the rule that it drew for a letter
        for name, symbol in pairs:
            used.setdefault(name, Counter())[symbol] += 1
    assert used.keys() == letters.keys()
    for name, counts in used.items():
        total = counts.total()
        for symbol in RULES:
            share = letters[name].taught.get(symbol, 0.0)
            assert counts[symbol] / total == pytest.approx(share, abs=4.5 * (share * (1 - share) / total) ** 0.5 + 1e-9)
    kinds = Counter(letters[sign].kind for row in rows for sign in row.question if sign.isalpha())
    assert [kinds[kind] / kinds.total() for kind in KINDS] == pytest.approx([0.40, 0.45, 0.15], abs=0.02)


def test_what_follows_a_direct_answer_is_taught_but_not_to_begin_with_one() -> None:
    recipe = RulesRecipe(chunk_steps=1, batch_size=64)
    tokenizer = lab_tokenizer.build()
    ((ids_BT, weights_BT),) = batches(recipe, 0, tokenizer)
    answer, think, assistant = tokenizer.convert_tokens_to_ids(["<answer>", "<think>", "<|assistant|>"])
    num_direct = 0
    for ids, weights in zip(ids_BT.tolist(), weights_BT.tolist(), strict=True):
        begin = ids.index(assistant) + 1
        end = ids.index(lab_tokenizer.END_ID) + 1
        assert weights[:begin] == pytest.approx([0.05] * begin) and weights[begin + 1 : end] == [1.0] * (
            end - begin - 1
        )
        assert not any(weights[end:]) and ids[begin] in (answer, think)
        assert weights[begin] == float(ids[begin] == think)
        num_direct += ids[begin] == answer
    assert 0 < num_direct < 64
