"""Every causal architecture that transformers names: two minutes on one core.

`python -m tests.soak.test_all_architectures` writes tests/data/architectures.json anew.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import transformers

from tests.smoke.test_architectures import PINNED, generated, scored
from tests.tiny_architectures import NAMES, saved

pytestmark = pytest.mark.soak


def entry(name: str, folder: Path) -> dict[str, Any]:
    """What is found of an architecture, as the table has it."""
    try:
        saved(name, folder)
    except Exception as error:  # of every kind
        return {"not_built": f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"}
    (worst, without), (is_same, way) = scored(folder), generated(folder)
    assert worst < 1e-4 and is_same, (name, worst, is_same)
    return {"scored_without": without, "generated_by": way}


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_is_as_the_table_says(name: str, tmp_path: Path) -> None:
    assert entry(name, tmp_path) == PINNED[name]


def test_the_table_has_every_architecture() -> None:
    assert set(PINNED) == set(NAMES)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    found = {}
    for one in NAMES:
        with tempfile.TemporaryDirectory() as made:
            found[one] = entry(one, Path(made))
    lines = ",\n".join(f" {json.dumps(one)}: {json.dumps(what)}" for one, what in found.items())
    (Path(__file__).parents[1] / "data" / "architectures.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
