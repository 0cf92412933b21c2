"""Where the small real model is: `make test-real` makes it and names its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_model() -> Path:
    return Path(os.environ["UFO_RL_REAL_MODEL"]).resolve()
