"""Parts of a user's that are not what their protocol asks: told by key before anything is measured."""

from __future__ import annotations

import copy
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.config.build import build
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import run_id
from ufo_rl.errors import UserError

Write = Callable[[str], dict[str, Any]]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the module odd_parts; returns the node of its class Odd."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "odd_parts", raising=False)

    def written(text: str) -> dict[str, Any]:
        (tmp_path / "odd_parts.py").write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop("odd_parts", None)
        return {"_target_": "odd_parts.Odd"}

    return written


def plain(**nodes: dict[str, Any]) -> dict[str, Any]:
    """A small configuration with other nodes in some places."""
    (job,) = compose_jobs(["dataset.num_prompts=120", "plugins=[odd_parts]", "tracker=off"])
    return {**copy.deepcopy(job.plain), **nodes}


def problems(function: Callable[..., Any], *arguments: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        function(*arguments)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Odd:\n    def f(self)\n", "SyntaxError: expected ':' ({file}, line 2)"),
        ("x = 1\nclass Odd(Bass): pass\n", "NameError: name 'Bass' is not defined ({file}, line 2)"),
        ("raise RuntimeError('no')\n", "RuntimeError: no ({file}, line 1)"),
        ("class Even: pass\n", "module 'odd_parts' has no attribute 'Odd'"),
    ],
)
def test_a_module_that_cannot_be_imported(write: Write, tmp_path: Path, text: str, words: str) -> None:
    told = problems(build, write(text), "selector", ["odd_parts"])
    file = tmp_path / "odd_parts.py"
    assert told == [f"selector._target_=odd_parts.Odd cannot be imported: {words.format(file=file)}"]


@pytest.mark.parametrize("text", ["class Odd: pass\n", "class Odd:\n    signals = property(lambda self: ())\n"])
def test_a_run_has_a_name_whatever_its_parts_lack(write: Write, text: str) -> None:
    node = write(text)
    assert re.fullmatch(r"tiny-custom-custom-\d+pct-s0-[0-9a-f]{8}", run_id(plain(selector=node, dataset=node)))
