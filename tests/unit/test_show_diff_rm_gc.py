"""One run shown, two told apart, runs removed, the cache swept: on planted folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.planted import plant
from ufo_rl.commands import diff, gc, rm, show
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import locked
from ufo_rl.files.uses import record_use, uses_of
from ufo_rl.report.ledger.resolve import folder_of
from ufo_rl.report.ledger.sizes import in_bytes, size_of
from ufo_rl.report.single.shown import bars


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs"


def scores(folder: Path, kept: set[int]) -> None:
    """Ten prompts; prompt i has confidence i / 10, and its rank by how near that is to a half."""
    order = np.argsort([abs(i / 10 - 0.5) for i in range(10)], kind="stable")
    rank = np.empty(10, dtype=int)
    rank[order] = np.arange(1, 11)
    rows = [
        {
            "id": f"p{i}",
            "question": f"What is {i} + {i}?",
            "answer": str(2 * i),
            "confidence": i / 10,
            "rank": int(rank[i]),
            "kept": i in kept,
        }
        for i in range(10)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "scores.parquet")
    selection = json.loads((folder / "selection.json").read_text()) | {"ids": [f"p{i}" for i in sorted(kept)]}
    (folder / "selection.json").write_text(json.dumps(selection))


def test_show_tells_results_curves_prompts_and_places(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = plant(outputs, "ufo", range(400, 500), rewards=[0.1 * i for i in range(10)])
    scores(folder, {4, 5})
    assert show.run([folder.name]) == 0
    text = capsys.readouterr().out
    assert "60.0 [55.6, 64.2] -> 80.0" in text and "▁▂▂▃▄▄▅▆▆█"[:1] in text and "first" in text
    lines = text.splitlines()
    kept = [line for line in lines if line.startswith("kept")]
    assert len(kept) == 2 and "What is 5 + 5?" in kept[0] and "0.5" in kept[0]
    assert next(line for line in lines if line.startswith("not ")).endswith("What is 6 + 6?")
    assert "scores.parquet" in text and "right, gold 0: 0=? | right" in " ".join(text.split())


def test_bars_rise_with_the_values() -> None:
    assert bars([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert bars([2, 2, 2]) == "▄▄▄" and bars([0.0, float("nan"), 1.0]) == "▁ █"


def test_diff_names_keys_prompts_and_flipped_questions(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = plant(outputs, "ufo", range(400, 500), config={"train": {"learning_rate": 1e-6}})
    b = plant(outputs, "ufo", range(398, 500), steps=31, config={"train": {"learning_rate": 1e-5}})
    scores(a, {4, 5})
    scores(b, {5, 6})
    assert diff.run([str(a), b.name]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "train.learning_rate 1e-06 1e-05" in text
    assert "A keeps 2, B 2, both 1 (Jaccard 0.33)" in text and "A alone: What is 4 + 4?" in text
    # A has 398 and 399 right, B not: two of two against it, p = 2 * 0.25
    assert (
        "B alone has 0 right, A alone 2 (McNemar, exact: p = 0.5" in text
        and "A alone: 398=? gold 398: A said right, B wrong" in text
    )


def test_a_run_is_found_by_the_end_of_its_name(outputs: Path) -> None:
    one, other = plant(outputs, "ufo", range(400, 500)), plant(outputs, "random", range(400, 500))
    assert folder_of("tiny-ufo") == one.resolve() and folder_of(str(other)) == other.resolve()
    with pytest.raises(UserError, match="2 runs are called so"):
        folder_of("tiny")
    with pytest.raises(UserError, match=r"no such folder.*did you mean"):
        folder_of("tiny-ufo-0.1-0-31")
    with pytest.raises(UserError, match="holds 2 runs"):
        folder_of("outputs")


def test_rm_keeps_what_works_or_is_built_on(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = plant(outputs, "ufo", range(400, 500))
    (one / "train/policy").mkdir(parents=True)
    other = plant(
        outputs,
        "random",
        range(400, 500),
        config={"model": {"path": "outputs/sweeps/demo/tiny-ufo-0.1-0-30/train/policy"}},
    )
    with pytest.raises(UserError, match=f"is used by {other.name}"):
        rm.run([one.name, "--yes"])
    with locked(other / ".lock", "x"), pytest.raises(UserError, match="is running"):
        rm.run([other.name, "--yes"])
    with pytest.raises(UserError, match="nobody is there to be asked"):
        rm.run([other.name])
    assert one.is_dir() and other.is_dir()
    assert rm.run([one.name, other.name, "--yes"]) == 0 and not one.exists() and not other.exists()
    assert "removed" in capsys.readouterr().out


def test_gc_removes_what_nobody_uses_and_nothing_else(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    used, unused = outputs / "cache/signals/confidence-aa", outputs / "cache/completions/math500-bb"
    for folder in (used, unused):
        folder.mkdir(parents=True)
        (folder / "chunk-0.parquet").write_bytes(bytes(2048))
    run = plant(outputs, "ufo", range(400, 500), rewards=[0.5])
    assert gc.run([]) == 0
    assert "1 runs do not say what they use" in capsys.readouterr().out  # nothing counts as unused
    assert gc.run(["--remove"]) == 0 and used.is_dir() and unused.is_dir()
    record_use(run, used)
    record_use(run, used)
    record_use(run, outputs / "cache/evaluations/math500-abc")
    assert uses_of(run) == ["cache/evaluations/math500-abc", "cache/signals/confidence-aa"]
    capsys.readouterr()
    assert gc.run([]) == 0 and unused.is_dir()
    assert "unused: outputs/cache/completions/math500-bb  2.0 KiB" in capsys.readouterr().out
    with locked(unused / ".lock", "x"):
        assert gc.run(["--remove"]) == 0 and unused.is_dir()
    assert gc.run(["--remove"]) == 0 and used.is_dir() and not unused.exists()
    assert (outputs / "cache/evaluations/math500-abc").is_dir()


def test_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").write_bytes(bytes(1500))
    (tmp_path / "c").symlink_to(tmp_path / "a/b")
    assert size_of(tmp_path / "a") == 1500 and size_of(tmp_path / "nothing") == 0
    assert [in_bytes(one) for one in (12, 1500, 3 * 2**20, 5.5 * 2**30)] == ["12 B", "1.5 KiB", "3.0 MiB", "5.5 GiB"]


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (show, [], "show: name a run"),
        (show, ["x", "--exampels", "1"], 'did you mean "--examples"'),
        (diff, ["one"], "diff takes two runs, 1 are named"),
        (rm, [], "rm: name a run"),
        (gc, [], "gc: there is no folder outputs here"),
    ],
)
def test_mistakes_are_told(
    command: object, arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        command.run(arguments)  # type: ignore[attr-defined]
    assert words in str(caught.value)
