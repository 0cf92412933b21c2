"""Commands of the user's: read from their text, and none of them spoils another."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ufo_rl import cli
from ufo_rl.commands import commands, usages
from ufo_rl.errors import UserError

NO_USAGE = "a command needs a text USAGE = '...' that says how it is used"
RUN = "\ndef run(arguments): return 7\n"
BAD = {
    "bare.py": (RUN, f"bare.py: {NO_USAGE}"),
    "number.py": ("USAGE = 3", f"number.py: {NO_USAGE}"),
    "made.py": ("USAGE = ' '.join(['a'])", f"made.py: {NO_USAGE}"),
    "announced.py": ("USAGE: str", f"announced.py: {NO_USAGE}"),
    "later.py": ("USAGE = 'x'\nGOES_ON = 1", "later.py: GOES_ON must be True or False, as it stands in the file"),
    "broken.py": ("USAGE = 'x'\ndef run(:", "broken.py:2: not to be read as Python (invalid syntax)"),
    "compare.py": ("USAGE = 'x'", "compare.py: compare is a command of ours already; rename the file"),
}


@pytest.fixture(autouse=True)
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "ufo_commands"
    folder.mkdir()
    return folder


def test_what_is_wrong_with_a_file_is_told_where_it_is_asked_for(theirs: Path) -> None:
    for name, (text, _) in BAD.items():
        (theirs / name).write_text(text)
    (theirs / "latin.py").write_bytes(b"USAGE = '\xe4'")
    (theirs / "folder.py").mkdir()
    found = commands()
    for name, (_, problem) in BAD.items():
        with pytest.raises(UserError) as caught:
            cli.command(name.removesuffix(".py"), [])
        assert caught.value.problems == [f"ufo_commands/{problem}"]
        assert f"  ufo_commands/{problem}" in usages().splitlines()
    assert "latin.py" in found["latin"].problem and "utf-8" in found["latin"].problem
    assert "Is a directory" in found["folder"].problem
    assert found["compare"].usage in usages()  # ours is shown all the same
    assert not found["grade"].problem
    with pytest.raises(UserError, match="a text USAGE"):
        cli.command("bare", ["-h"])


def test_usages_are_read_as_python_has_them(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (theirs / "plain.py").write_text("USAGE = 'ufo-rl plain'" + RUN)
    (theirs / "typed.py").write_text("USAGE: str = 'ufo-rl typed'\nGOES_ON: bool = True" + RUN)
    (theirs / "umlaut.py").write_bytes("# -*- coding: latin-1 -*-\nUSAGE = 'ufo-rl \xe4'".encode("latin-1"))
    (theirs / "_helper.py").write_text("no python")
    found = commands()
    assert [found[name].usage for name in ("plain", "typed", "umlaut")] == [
        "ufo-rl plain",
        "ufo-rl typed",
        "ufo-rl \xe4",
    ]
    assert (found["plain"].goes_on, found["typed"].goes_on) == (False, True) and "_helper" not in found
    assert cli.command("typed", []) == 7
    assert cli.command("typed", ["-h"]) == 0 and capsys.readouterr().out == "ufo-rl typed\n"


def test_two_files_of_one_name_are_both_named(theirs: Path) -> None:
    (theirs / "hello").mkdir()
    for name in ("hello.py", "hello/__init__.py"):
        (theirs / name).write_text("USAGE = 'x'" + RUN)
    with pytest.raises(UserError) as caught:
        cli.command("hello", [])
    assert "ufo_commands/hello.py" in str(caught.value) and "ufo_commands/hello/__init__.py" in str(caught.value)


def test_help_shows_a_bad_file_in_a_line(theirs: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    (theirs / "hello.py").write_text("def run(:")
    monkeypatch.setattr(sys, "argv", ["ufo-rl"])
    assert cli.command("help", []) == 0
    assert "  ufo_commands/hello.py:1: not to be read as Python (invalid syntax)\n" in capsys.readouterr().out


def test_a_command_returns_an_exit_status(theirs: Path) -> None:
    for name, result in (("text", "'done'"), ("none", "None"), ("three", "3")):
        (theirs / f"{name}.py").write_text(f"USAGE = 'x'\ndef run(arguments): return {result}\n")
    assert (cli.command("none", []), cli.command("three", [])) == (0, 3)
    with pytest.raises(
        UserError, match=r"^ufo_commands/text.py: run\(arguments\) returned a str; print what is to be read"
    ):
        cli.command("text", [])
    (theirs / "bare.py").write_text("")
    with pytest.raises(UserError, match="no such command") as caught:
        cli.command("tree", [])
    assert "three" in str(caught.value) and "bare" not in str(caught.value)
