"""Generated command lines: a mistake is told with exit status 2 before anything starts, and what starts is what Hydra's own
sweeper and composition make of the line, job by job."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from tests.command_lines import Line, lines
from ufo_rl import run
from ufo_rl.cli import main
from ufo_rl.config import compose
from ufo_rl.config.compose import Job, plain_config
from ufo_rl.config.load import examine
from ufo_rl.config.tree import Tree, open_tree
from ufo_rl.errors import Problems
from ufo_rl.experiment import prepare
from ufo_rl.experiment.surroundings import check_places
from ufo_rl.training.trl_fields import trl_problems

SEED = 20_241
SHARE_COMPOSED = 0.3  # of lines that start something: a job of theirs is composed by Hydra too
Started = tuple[list[Job], list[str]]  # the jobs that were checked, and the words that Hydra was started with


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Types a line: its status, what was printed, and what was started. Values are checked, data and models are not; one
    tree serves all lines, as its files are the same."""
    started: list[Started] = []
    jobs: list[Job] = []

    def check_jobs(found: list[Job], check: Callable[[list[Job]], None] = run.check_jobs) -> None:
        check(found)
        jobs[:] = found

    def typed_line(words: list[str]) -> tuple[int, str, Started | None]:
        started.clear()
        monkeypatch.setattr(sys, "argv", ["ufo-rl", *words])
        random.seed(SEED)  # of Hydra's shuffle()
        status = main()
        return status, "".join(capfd.readouterr()), started[0] if started else None

    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "check_jobs", check_jobs)
    monkeypatch.setattr(run, "start", lambda: started.append(([*jobs], sys.argv[1:])))
    monkeypatch.setattr(run, "outcome", lambda *_: 0)
    monkeypatch.setattr(prepare, "check", check_values)
    with open_tree(None, None) as tree:
        monkeypatch.setattr(compose, "open_tree", one_tree(tree))
        yield tree, typed_line


def check_values(plain: dict[str, Any]) -> None:
    """What a job is checked for, but for its data and its parts."""
    config, found, wrong = examine(plain)
    problems = Problems(found)
    problems.attempt(check_places, config, wrong)
    if "train" not in wrong:
        problems.add(*trl_problems(config.train.trl))
    problems.raise_any()


def one_tree(tree: Tree) -> Any:
    @contextmanager
    def opened(config_dir: str | None, config_name: str | None) -> Iterator[Tree]:
        assert config_dir is config_name is None
        tree.searchpath.clear()
        yield tree

    return opened


def hydras_jobs(tree: Tree, words: list[str]) -> list[list[str]]:
    """The overrides of each job, by Hydra's sweeper, where -m is among the words."""
    overrides = [word for word in words if word not in ("-m", "--multirun")]
    if overrides == words:
        return [overrides]
    from hydra.core.override_parser.overrides_parser import OverridesParser

    random.seed(SEED)
    return BasicSweeper.split_arguments(OverridesParser.create(tree.loader).parse_overrides(overrides), None)[0]


def parts_of(words: list[str]) -> list[str]:
    """What a message may name: a word, its parts, and the flag that one of several letters begins with."""
    return [*words, *re.findall(r"[\w.]+", " ".join(words)), *(word[:2] for word in words if re.match("-[mr]", word))]


def check_told(line: Line, output: str) -> None:
    told = [text for text in output.splitlines() if text]
    assert told and all(text.startswith("ufo-rl: ") for text in told), output
    assert "Traceback" not in output
    words = [line.slip.split("=")[0].strip("+~ ").split("@")[0]] if line.slip else parts_of(line.words)
    assert any(word in output for word in words), output


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.soak)])
def test_generated_lines_are_told_or_are_hydras_own_jobs(typed: Any, count: int) -> None:
    tree, type_line = typed
    drawn, failures, num_jobs = random.Random(SEED), [], 0
    for line in lines(SEED, count):
        try:
            status, output, started = type_line(line.words)
            if status == 2:
                assert line.slip != "", "a sound line was refused"
                assert started is None
                check_told(line, output)
                continue
            assert not line.slip, "a slip was taken"
            assert status == 0 and started is not None, output
            jobs, words = started
            expected = hydras_jobs(tree, words)
            assert len(jobs) == len(expected) > 0
            num_jobs += len(jobs)
            if drawn.random() < SHARE_COMPOSED:  # composing reads dozens of files
                number = drawn.randrange(len(jobs))
                assert jobs[number].plain == plain_config(tree.compose(expected[number]))
        except (Exception, SystemExit) as error:
            failures.append(f"{line.words} ({line.slip!r}): {type(error).__name__}: {error}")
    assert not failures, "\n".join([f"{len(failures)} of {count} lines", *failures[:20]])
    assert num_jobs > count / 3
