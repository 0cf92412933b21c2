"""Every option of every group composes, passes validation and builds; every preset and sweep does."""

from __future__ import annotations

import functools
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ufo_rl.config.build import build
from ufo_rl.config.compose import Job, compose_jobs
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.data import load_benchmarks
from ufo_rl.experiment.prepare import prepare
from ufo_rl.reward.parts import build_part

CONF = conf_folder()
ROOT = CONF.parent
OPTIONS = sorted((path.parent.name, path.stem) for path in CONF.glob("*/*.yaml"))
REQUIRED = {
    ("model", "custom"): ["model.path=mine"],
    ("dataset", "custom"): ["dataset.path=mine.jsonl", "eval=math500"],
    ("eval", "custom"): ["eval.custom.dataset.path=mine.jsonl", "eval.custom.size=200"],
    ("rollout", "vllm_server"): ["rollout.server=http://node1:8000"],
}
SWEEPS = sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))


@functools.cache
def jobs(*overrides: str, name: str | None = None) -> list[Job]:
    return compose_jobs(list(overrides), str(ROOT / "sweeps") if name else None, name, False)


@pytest.mark.parametrize("words", [(), ("model.path=mine",), ("model=smollm2-135m", "model.path=mine")])
def test_the_small_experiment_stays_itself_with_another_path(words: tuple[str, ...]) -> None:
    (job,) = jobs("experiment=real-small", *words)
    config = load(job.plain)
    assert (config.template.name, config.train.name, config.model.dtype) == ("worked", "small", "float32")
    assert len(config.template.few_shot) == 3 and config.model.max_completion_tokens == 40
    assert job.plain["signal"]["pass_rate"]["temperature"] == config.train.temperature == 0.5
    assert job.plain["dataset"]["num_prompts"] == 240 and list(config.eval) == ["words"]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_builds(group: str, option: str) -> None:
    (job,) = jobs(f"{group}={option}", *REQUIRED.get((group, option), []))
    config = load(job.plain)
    build(config.selector, "selector")
    build(config.dataset, "dataset")
    for name, node in config.signal.items():
        build(node, f"signal.{name}")
    grader = build(config.grader, "grader")
    for name, node in config.reward.parts.items():
        build_part(name, node, grader=grader)
    for name, benchmark in config.eval.items():
        build(benchmark.dataset, f"eval.{name}.dataset")
        build(benchmark.grader or config.grader, f"eval.{name}.grader")


def test_presets_alone_choose_a_model_or_what_it_proposes() -> None:
    """What `Tree.chosen_by_files` relies on: of our other options one proposes a dataset, and datasets their benchmarks.
    Models of the hub propose what generates, which is no data."""
    overriding = {
        (path.relative_to(CONF).parts[0], group)
        for path in CONF.rglob("*.yaml")
        for group in re.findall(r"override /(\w+)", path.read_text())
    }
    assert {pair for pair in overriding if pair[0] != "experiment"} == {
        ("model", "dataset"),
        ("dataset", "eval"),
        ("model", "rollout"),
    }


def test_what_a_choice_proposes_gives_way_to_presets_and_the_command_line() -> None:
    def chosen(*words: str) -> tuple[str, list[str]]:
        (job,) = jobs(*words)
        return job.plain["dataset"]["name"], list(job.plain["eval"])

    assert chosen() == ("rules", ["rules_zone", "rules_pool"])
    assert chosen("model=tiny") == chosen("model=tiny", "dataset=arithmetic") == ("arithmetic", ["arithmetic"])
    assert chosen("model=tiny", "dataset=rules") == ("rules", ["rules_zone", "rules_pool"])
    assert chosen("dataset=gsm8k") == ("gsm8k", ["gsm8k"])
    assert chosen("dataset=gsm8k", "eval=math500") == ("gsm8k", ["math500"])
    assert chosen("experiment=paper") == ("gsm8k", ["gsm8k", "math500"])
    assert chosen("experiment=paper", "dataset=arithmetic") == ("arithmetic", ["gsm8k", "math500"])
    assert chosen("dataset=custom", "dataset.path=mine.jsonl") == ("custom", [])


@pytest.mark.parametrize("option", sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
def test_real_models_take_the_published_prompt_and_recipe(option: str) -> None:
    (job,) = jobs(f"model={option}", *REQUIRED.get(("model", option), []))
    expected = {"tiny": ("short", "lab"), "tiny-rules": ("short", "rules")}.get(option, ("r1", "paper"))
    assert (job.plain["template"]["name"], job.plain["train"]["name"]) == expected


def test_the_paper_preset_carries_the_published_values() -> None:
    (job,) = jobs("experiment=paper")
    train = job.plain["train"]
    published = {
        "learning_rate": 1e-6,
        "num_generations": 7,
        "temperature": 1.0,
        "max_prompt_tokens": 512,
        "max_completion_tokens": 1024,
    }
    assert {key: train[key] for key in published} == published
    assert job.plain["deepspeed"]["config"]["zero_optimization"]["stage"] == 2
    assert (job.plain["ratio"]["value"], job.plain["template"]["name"], job.plain["dataset"]["name"]) == (
        0.1,
        "r1",
        "gsm8k",
    )
    assert train["per_device_train_batch_size"] % 7 == 0
    load(job.plain)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_composes(name: str) -> None:
    found = jobs(name=name)
    assert len(found) > 1
    for job in found:
        load(job.plain)
    assert {job.plain["name"] for job in found} == {name}


def test_the_ratio_sweep_asks_its_five_ratios() -> None:
    found = jobs(name="ratio")
    assert sorted({job.plain["ratio"]["value"] for job in found}) == [0.01, 0.05, 0.1, 0.2, 0.5]
    assert len({job.folder for job in found}) == 55  # 2 selectors x 5 ratios x 5 seeds, and full once a seed


def test_the_default_run_is_valid_without_any_file() -> None:
    (job,) = jobs()
    assert len(prepare(load(job.plain)).pool.prompts) >= 2000


@dataclass(frozen=True)
class Key:
    """A key that holds a value, with the comment above it."""

    name: str
    line: int
    comment: str
    has_comment_behind: bool


def keys(path: Path) -> list[Key]:
    """Of a file of conf/. Defaults lists and pure nesting hold no values."""
    lines = path.read_text().splitlines()
    in_defaults, block_indent, found = False, None, []
    for number, line in enumerate(lines):
        if line.startswith("defaults:"):
            in_defaults = True
        elif line and not line[0].isspace() and not line.startswith(("#", "-")):
            in_defaults, block_indent = False, None
        indent = len(line) - len(line.lstrip())
        if block_indent is not None and (not line.strip() or indent > block_indent):
            continue  # the text of a block such as `template: |-`
        block_indent = indent if re.search(r":\s+[|>]-?$", line) else None
        key = re.match(r"\s*([\w.]+|_target_):\s+(?![>|])\S", line)
        if key and not in_defaults:
            above = itertools.takewhile(lambda text: text.strip().startswith("#"), reversed(lines[:number]))
            value = line.split(":", 1)[1].strip()
            found.append(Key(key[1], number + 1, " ".join(above), value[0] not in "'\"" and " #" in value))
    return found


def included(path: Path) -> set[Path]:
    """The files of conf/ that a file takes its first values from."""
    found: set[Path] = set()
    for entry in (yaml.safe_load(path.read_text()) or {}).get("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            name = entry.split("@")[0]
            base = (CONF / name[1:] if name.startswith("/") else path.parent / name).with_suffix(".yaml")
            found |= {base} | included(base)
    return found


def group(path: Path) -> list[Path]:
    """The files beside and below which a file stands, those that others build on first."""
    top = path.relative_to(CONF).parts[0]
    files = (CONF / top).rglob("*.yaml") if top != "config.yaml" else [path]
    return sorted(files, key=lambda file: (file.parent.name != "base", file))


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONF)))
def test_every_key_is_introduced_by_a_comment(path: Path) -> None:
    """Above its first home: in a file that this one builds on, or in the first of the group that has it; none behind."""
    files = group(path)
    before = {*included(path), *(files[: files.index(path)] if len(files) > 1 else ())}
    introduced = {key.name for file in before for key in keys(file) if key.comment}
    for key in keys(path):
        assert key.comment or key.name in introduced, f"{path.name}:{key.line} {key.name} has no comment above"
        assert not key.has_comment_behind, f"{path.name}:{key.line} has an inline comment"


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONF)))
def test_no_comment_says_again_what_its_group_has_said(path: Path) -> None:
    said = [key.comment for base in included(path) for key in keys(base) if key.comment]
    for key in keys(path):
        assert key.comment not in said, f"{path.name}:{key.line} repeats the comment of a file that it builds on"
        alike = [file.name for file in group(path) if key.comment and key.comment in [k.comment for k in keys(file)]]
        assert len(alike) < 3, f"{key.comment} stands in {', '.join(alike)}; let them build on one file in base/"


def test_a_benchmark_of_ones_own_is_a_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
# Three sums.
defaults:
  - base/custom@mine

mine:
  dataset:
    path: mine.jsonl
    question: problem
    answer: label
  size: 3
"""
    assert len(text.splitlines()) <= 12
    (tmp_path / "conf/eval").mkdir(parents=True)
    (tmp_path / "conf/eval/mine.yaml").write_text(text)
    rows = [{"problem": f"{n}+1?", "label": str(n + 1)} for n in range(3)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.chdir(tmp_path)
    (job,) = compose_jobs(["eval=[mine,arithmetic]", "paths.data=null"], "conf")
    benchmarks = load_benchmarks(load(job.plain))
    assert sorted(prompt.answer for prompt in benchmarks["mine"]) == ["1", "2", "3"]
    assert len(benchmarks["arithmetic"]) == 600


def test_what_an_option_must_give_is_told_by_key(tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/mine.yaml").write_text(
        "defaults:\n  - base/custom@mine\n\nmine:\n  dataset: {path: mine.jsonl}\n"
    )
    with pytest.raises(UserError) as caught:
        compose_jobs(["eval=mine"], str(tmp_path))
    assert caught.value.problems == ["eval.mine.size is missing: set eval.mine.size=VALUE, or give it in its file"]
