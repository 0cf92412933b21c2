"""Files are whole or absent; stores find rows by content; the journal survives a killed writer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import manifest, publish, read_json, write_json, write_text
from ufo_rl.files.journal import Journal, Tail
from ufo_rl.files.keys import digest
from ufo_rl.files.store import Store


def test_digest_is_of_the_content() -> None:
    assert digest({"a": 1, "b": [2, "ä"]}) == digest({"b": [2, "ä"], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5}) != digest({"a": "1"})
    # sha256 of the bytes {"a":1}, by an independent tool
    assert digest({"a": 1}, 64) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_a_failed_publication_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(RuntimeError), publish(folder) as (temporary, content):
        (temporary / "data.txt").write_text("half")
        content["x"] = 1
        raise RuntimeError("stop")
    assert manifest(folder) is None and list(tmp_path.iterdir()) == []


def test_a_publication_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for text in ("first", "second"):
        with publish(folder) as (temporary, content):
            (temporary / f"{text}.txt").write_text(text)
            content["text"] = text
    assert manifest(folder) == {"text": "second"}
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "second.txt"]


def test_writing_where_one_cannot_is_one_clear_error(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="nothing half-written was kept"):
        write_text(tmp_path / "folder", "a file cannot replace a folder")
    assert (tmp_path / "a.txt").read_text() == "kept"


def test_a_path_that_is_no_utf_8_is_written_and_read_again(tmp_path: Path) -> None:
    told = {"error": f"no folder {os.fsdecode(b'/data/caf' + bytes([0xE9]))}", "name": "caf\u00e9"}
    write_json(tmp_path / "x.json", told)
    assert read_json(tmp_path / "x.json") == told


def test_broken_json_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\x00{")
    with pytest.raises(UserError, match=r"x\.json is not valid JSON"):
        read_json(tmp_path / "x.json")


def test_a_store_knows_what_is_missing(tmp_path: Path) -> None:
    store = Store.of(tmp_path, "confidence", {"model": "m", "template": {"user": "u"}})
    store.create()
    store.publish([{"key": "k1", "id": "a", "mean_logprob": -0.5}, {"key": "k2", "id": "b", "mean_logprob": -1.5}])
    store.publish([{"key": "k3", "id": "c", "mean_logprob": -2.5}])
    assert store.keys() == {"k1", "k2", "k3"}
    assert store.read(["k3", "k9", "k1"], ["mean_logprob", "of_no_store"]).to_pylist() == [
        {"key": "k3", "mean_logprob": -2.5},
        {"key": "k1", "mean_logprob": -0.5},
    ]
    assert len(store.read(["k9"], ["id"])) == len(store.read([], ["id"])) == 0
    same = Store.of(tmp_path, "confidence", {"template": {"user": "u"}, "model": "m"})
    assert same.folder == store.folder and Store.at(store.folder).keys() == store.keys()
    assert Store.of(tmp_path, "confidence", {"model": "m", "template": {"user": "v"}}).folder != store.folder
    assert json.loads((store.folder / "identity.json").read_text())["model"] == "m"


def test_the_journal_survives_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path)
    Journal(path, "train", 1).write("metrics", step=1, reward=float("nan"))
    with path.open("a") as stream:
        stream.write('{"stage": "train", "ev')  # killed here
    assert [line["reward"] for line in tail.lines()] == ["nan"]
    Journal(path, "train", 2).write("metrics", step=1)
    assert [(line["attempt"], line["step"]) for line in tail.lines()] == [(2, 1)]
    assert tail.lines() == []


def test_json_is_written_atomically(tmp_path: Path) -> None:
    write_json(tmp_path / "deep/er/x.json", {"a": [1, 2]})
    assert read_json(tmp_path / "deep/er/x.json") == {"a": [1, 2]}
    assert [p.name for p in (tmp_path / "deep/er").iterdir()] == ["x.json"]
