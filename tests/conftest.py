"""Fixtures that several tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the local dataset files, named by UFO_RL_DATA; without it the test is skipped."""
    folder = os.environ.get("UFO_RL_DATA")
    if not folder:
        pytest.skip("UFO_RL_DATA is not set: it names the folder of the local dataset files")
    return Path(folder)
