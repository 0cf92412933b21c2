"""The script that made the tiny model: a stopped run continues to the very same weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ufo_rl.dataset.arithmetic import Problem
from ufo_rl.lab import pretrain

RECIPE = pretrain.Recipe(steps=4, chunk_steps=2, batch_size=4, warmup_steps=1, decay_share=0.25)


def weights(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


def test_three_styles_by_hand():
    problem = Problem((47, 5, -12))
    assert pretrain.completion(problem, "direct") == "<answer> 40</answer>"
    assert pretrain.completion(problem, "short") == "<think>47+5-12=40</think><answer> 40</answer>"
    assert pretrain.completion(problem, "long") == "<think>47+5=52;52-12=40</think><answer> 40</answer>"


def test_learning_rate_by_hand():
    recipe = pretrain.Recipe(steps=100, learning_rate=1.0, warmup_steps=10, decay_share=0.2)
    rates = [pretrain.learning_rate_at(recipe, step) for step in (0, 9, 50, 80, 90, 99)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 1.0, 0.5, 0.05])


def test_a_stopped_run_continues_to_the_same_weights(tmp_path, monkeypatch):
    pretrain.train(RECIPE, tmp_path / "whole")
    save = pretrain.save_checkpoint

    def save_and_stop(*arguments) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain.train(RECIPE, tmp_path / "stopped")
    assert not (tmp_path / "stopped").exists()
    pretrain.train(RECIPE, tmp_path / "stopped")
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
