"""Narrow models draw on one thread; everything else computes on those it has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ufo_rl.model.few_threads import NARROW, few_threads
from ufo_rl.model.live_rows import leaving
from ufo_rl.model.weights import load_model, packaged


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def shape(hidden: int, device: str = "cpu") -> Any:
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(hidden_size=hidden))
    return SimpleNamespace(config=config, device=torch.device(device))


@pytest.mark.parametrize(
    ("model", "expected"), [(shape(NARROW), 1), (shape(NARROW + 1), 2), (shape(NARROW, "cuda"), 2), (shape(96), 1)]
)
def test_a_narrow_model_on_a_cpu_draws_on_one_thread(two_threads: Any, model: Any, expected: int) -> None:
    with few_threads(model):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 2


def test_an_error_gives_the_threads_back(two_threads: Any) -> None:
    with pytest.raises(RuntimeError), few_threads(shape(96)):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_generate_of_the_lab_s_model_has_one(two_threads: Any) -> None:
    model = load_model(packaged("package:lab/tiny"), "float32", "cpu")
    with leaving(model, [0]):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
