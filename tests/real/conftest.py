"""Where the small real model is: `make test-real` makes it and names its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_model() -> Path:
    folder = os.environ.get("UFO_RL_REAL_MODEL")
    if not folder:
        pytest.skip("UFO_RL_REAL_MODEL is not set: make test-real makes the model and names its folder")
    return Path(folder).resolve()
