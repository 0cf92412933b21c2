"""A broken model folder ends every command before a stage begins: exit status 2, in a line, without a traceback."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from tests.in_process import SIGNALS
from ufo_rl import cli
from ufo_rl.model.weights import packaged

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")
NORM = "model.layers.1.input_layernorm.weight"
SMALL = (
    "dataset=arithmetic",
    "eval.arithmetic.dataset.num_prompts=24",
    "eval.arithmetic.size=24",
    "launch.threads_per_rank=1",
    "tracker=off",
    "template=short",
    "model.max_completion_tokens=96",
)
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """`ufo-rl` in this process, whose commands share the process that has torch; its status and its output."""
    before = {one: signal.getsignal(one) for one in SIGNALS}
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ufo-rl", *words])
        status = cli.main()
        return status, "".join(capfd.readouterr())

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def folder(path: Path, drop: str = "", template: str = "") -> Path:
    """The lab's model, without a tensor or with another chat template."""
    shutil.copytree(LAB, path)
    if drop:
        held = load_file(path / "model.safetensors")
        del held[drop]
        save_file(held, path / "model.safetensors", metadata={"format": "pt"})
    if template:
        (path / "chat_template.jinja").write_text(template)
    return path


@pytest.mark.parametrize("words", [(), ("evaluate",), ("doctor", "selector=ufo"), ("-m", "seed=0,1")])
def test_a_missing_tensor_ends_every_command_before_a_stage(
    tmp_path: Path, command: Command, words: tuple[str, ...]
) -> None:
    folder(tmp_path / "mine", drop=NORM)
    status, output = command(*words, "model.path=./mine", *SMALL)
    told = [line for line in output.splitlines() if line.startswith("ufo-rl: ")]
    assert status == 2 and len(told) == 1 and "Traceback" not in output
    assert told[0].startswith(f"ufo-rl: model.path=./mine lacks a tensor that Qwen2ForCausalLM needs: {NORM}")
    assert not (tmp_path / "outputs/runs").exists() and not (tmp_path / "outputs/evaluations").exists()


def test_all_folders_of_a_sweep_are_told_at_once_and_without_torch(tmp_path: Path, command: Command) -> None:
    for name in ("a", "b"):
        (folder(tmp_path / name) / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    status, output = command("-m", "model.path=./a,./b", *SMALL)
    assert status == 2 and "looking at the model" not in output
    assert [line.split()[1] for line in output.splitlines()] == ["model.path=./a:", "model.path=./b:"]


@pytest.mark.soak
def test_a_sound_folder_is_looked_at_once_and_its_template_is_told_the_date_of_the_configuration(
    tmp_path: Path, command: Command
) -> None:
    template = "Today: {{ strftime_now('%Y-%m-%d') }}<|user|>{{ messages[-1]['content'] }}<|assistant|>"
    folder(tmp_path / "mine", template=template)
    status, output = command("evaluate", "model.path=./mine", *SMALL)
    assert status == 0 and "looking at the model in mine" in output
    stored = sorted((tmp_path / "outputs/cache/completions").glob("*/chunk-*"))
    status, output = command("evaluate", "model.path=./mine", *SMALL)
    assert status == 0 and "looking at the model" not in output
    assert sorted((tmp_path / "outputs/cache/completions").glob("*/chunk-*")) == stored != []
    (found,) = (tmp_path / "outputs/evaluations/dev").iterdir()
    prompts = pq.read_table(found / "eval/arithmetic/questions.parquet", columns=["prompt"])["prompt"].to_pylist()
    assert {prompt.partition("<|user|>")[0] for prompt in prompts} == {"Today: 2024-07-26"}
    (tmp_path / "mine/config.json").write_text(json.dumps({"model_type": "qwen2"}))  # what passed is known by content
    status, output = command("evaluate", "model.path=./mine", *SMALL)
    assert status == 2 and "of another shape than config.json says" in output
