"""Every command of the README composes, every make target and path that it names exists."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import textwrap

import pytest

from ufo_rl.commands.grade.options import parser
from ufo_rl.commands.plan.options import split
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.load import load
from ufo_rl.report.comparing.arm_rows import KEYS

ROOT = conf_folder().parent
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "docs/plan.md",
    ROOT / "sweeps/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "conf").rglob("*.yaml")),
    *(ROOT / "sweeps").glob("*.yaml"),
]


PARSED = ("compare", "dashboard", "diff", "gc", "ls", "record", "report", "rm", "show", "sync")
# The groups of data that a command reads with the model.
ASKED: dict[str, tuple[str, ...]] = {
    "run": ("dataset", "eval"),
    **dict.fromkeys(("doctor", "score", "select"), ("dataset",)),
    "evaluate": ("eval",),
    "contamination": (),
}


def commands() -> list[str]:
    found = []
    for page in PAGES:
        for line in page.read_text().splitlines():
            match = re.search(r"(?:^\s{4}|: )((?:\w+=\S+ )*ufo-rl(?: .*)?)$", line.split("  # ")[0].rstrip())
            if match and (page.suffix == ".md" or ": ufo-rl" in line) and not re.search("mylab|hydra-help", line):
                found.append(match.group(1).strip())
    return sorted(set(found))


def test_there_are_commands_to_test() -> None:
    assert len(commands()) >= 15


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_composes(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = [w for w in shlex.split(command) if not re.match(r"[A-Z_]+=", w)]
    assert words.pop(0) == "ufo-rl"
    if "--help" in words:
        return
    if words[:1] and words[0] in PARSED:
        _, problems = importlib.import_module(f"ufo_rl.commands.{words[0]}").parser().read(words[1:])
        assert problems == []
        return
    if words[:1] == ["grade"]:
        assert parser().parse_intermixed_args(words[1:]).file
        return
    if words[:1] == ["plan"]:
        _, words = split(words[1:])
    name = words.pop(0) if words[0:1] and words[0] in ASKED else "run"
    flags = {"-cd": None, "-cn": None}
    for flag in flags:
        if flag in words:
            at = words.index(flag)
            flags[flag] = words[at + 1]
            del words[at : at + 2]
    overrides = [w for w in words if w not in ("-m", "--cfg", "job", "--resolve")]
    if flags["-cd"] == "sweeps" and not overrides:  # every sweep composes in test_options
        assert (ROOT / "sweeps" / f"{flags['-cn']}.yaml").is_file()
        return
    for job in compose_jobs(overrides, flags["-cd"], flags["-cn"], "-m" in words):
        load(job.plain)
        if ASKED[name]:
            job.check_model(*ASKED[name])


def test_the_keys_of_compares_rows_are_listed() -> None:
    text = (ROOT / "README.md").read_text().partition("with these keys:")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", text) == list(KEYS)


def test_make_targets_and_links_exist() -> None:
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)`|^    make ([a-z-]+)", text, flags=re.M):
        assert re.search(rf"^{''.join(target)}:", makefile, flags=re.M), target
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert link.startswith("https://") or (ROOT / link).exists(), link


@pytest.mark.parametrize(("noun", "group"), [("selector", "selector"), ("benchmark", "eval")])
def test_options_of_the_tables_are_those_of_conf(noun: str, group: str) -> None:
    _, _, behind = (ROOT / "README.md").read_text().partition(f"\n| {noun} |")
    rows = re.findall(r"^\| `(\w+)` \|", behind.partition("\n\n")[0], flags=re.M)
    assert sorted(rows) == sorted(p.stem for p in (ROOT / "conf" / group).glob("*.yaml"))


def test_no_machine_path_in_committed_text() -> None:
    mark = re.compile(r"(^|[^A-Za-z0-9._])/(work|root|home|opt)/")
    for path in [
        *ROOT.glob("*.*"),
        *ROOT.glob("*/*.md"),
        *(ROOT / "conf").rglob("*.yaml"),
        *(ROOT / "ufo_rl").rglob("*.py"),
    ]:
        if path.is_file() and not os.path.relpath(path, ROOT).startswith("."):
            assert not mark.search(path.read_text(errors="ignore")), path


def test_the_tree_of_rooms_is_the_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    tree = re.search(r"^    ufo_rl/\n((?:^      .*\n)+)", text, flags=re.M)
    assert tree
    named = [line.split()[0].rstrip("/") for line in tree[1].splitlines()]
    there = [p.name for p in (ROOT / "ufo_rl").iterdir() if not p.name.startswith("__")]
    assert sorted(named) == sorted(there)
    for path in re.findall(r"`((?:ufo_rl|tests|conf)/[\w/.]+)`", text):
        is_of_user = path.startswith("conf/") and not (ROOT / path).exists()
        assert is_of_user or (ROOT / path).exists(), path


def test_the_printed_half_of_a_signal_is_the_one_that_is_tested() -> None:
    _, text = (ROOT / "tests/data/own_parts/mylab/digits/rank.py").read_text().split("\n\n", 1)
    assert textwrap.indent(text, "    ") in (ROOT / "ARCHITECTURE.md").read_text()


def test_every_entry_of_the_tests_data_is_described() -> None:
    text = (ROOT / "tests/data/README.md").read_text()
    assert [p.name for p in (ROOT / "tests/data").iterdir() if f"    {p.name}" not in text] == ["README.md"]
