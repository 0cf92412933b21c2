"""Every option of every group composes, passes validation and builds; every preset and sweep does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ufo_rl.config.build import build
from ufo_rl.config.compose import Job, compose_jobs
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.load import load
from ufo_rl.experiment.prepare import prepare

CONF = conf_folder()
ROOT = CONF.parent
OPTIONS = sorted((path.parent.name, path.stem) for path in CONF.glob("*/*.yaml"))
REQUIRED = {
    ("dataset", "custom"): ["dataset.path=mine.jsonl"],
    ("eval", "custom"): ["eval.custom.dataset.path=mine.jsonl", "eval.custom.size=200"],
}
SWEEPS = sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))


def jobs(*overrides: str, name: str | None = None) -> list[Job]:
    return compose_jobs(list(overrides), str(ROOT / "sweeps") if name else None, name, False)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_builds(group: str, option: str) -> None:
    (job,) = jobs(f"{group}={option}", *REQUIRED.get((group, option), []))
    config = load(job.plain)
    build(config.selector, "selector")
    build(config.dataset, "dataset")
    for name, node in config.reward.parts.items():
        build(node, f"reward.parts.{name}")
    for name, benchmark in config.eval.items():
        build(benchmark.dataset, f"eval.{name}.dataset")


@pytest.mark.parametrize("option", sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
def test_real_models_take_the_published_prompt_and_recipe(option: str) -> None:
    (job,) = jobs(f"model={option}")
    expected = ("short", "lab") if option == "tiny" else ("r1", "paper")
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
    assert len({job.folder for job in found}) == 33  # 2 selectors x 5 ratios x 3 seeds, and full once a seed


def test_the_default_run_is_valid_without_any_file() -> None:
    (job,) = jobs()
    assert len(prepare(load(job.plain)).pool.prompts) >= 2000


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONF)))
def test_every_key_is_introduced_by_a_comment(path: Path) -> None:
    """A comment line above every key that holds a value, none behind it. Defaults lists and pure nesting need none."""
    lines = path.read_text().splitlines()
    in_defaults, block_indent = False, None
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
            assert lines[number - 1].strip().startswith("#"), (
                f"{path.name}:{number + 1} {line.strip()} has no comment above"
            )
            value = line.split(":", 1)[1].strip()
            assert value[0] in "'\"" or " #" not in value, f"{path.name}:{number + 1} has an inline comment"
    yaml.safe_load(path.read_text())
