"""How many threads draw tokens and train: a narrow model's products are smaller than what it takes to wake a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

NARROW = 256  # hidden size; at 384 and 16 rows two threads are as fast as one (bench/README.md, threads)


def is_narrow(model: Any) -> bool:
    hidden = getattr(model.config.get_text_config(), "hidden_size", None) or NARROW + 1
    return model.device.type == "cpu" and hidden <= NARROW


@contextmanager
def few_threads(model: Any) -> Iterator[None]:
    """One thread on a CPU where the model is narrow. Scoring, which has many tokens in a product, does without this."""
    threads = torch.get_num_threads()
    if not is_narrow(model):
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
