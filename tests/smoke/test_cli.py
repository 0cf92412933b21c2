"""Mistakes on the command line: exit status 2, no traceback, the key, the value and the cure."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.metadata import version
from resource import RLIMIT_FSIZE, setrlimit

import pytest
import yaml

from tests.conftest import Ufo
from ufo_rl.cli import main
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.folder import conf_folder
from ufo_rl.experiment import data
from ufo_rl.model.weights import packaged

pytestmark = pytest.mark.smoke

LAB = packaged("package:lab/tiny")
CD = str(conf_folder().parent / "sweeps")


@pytest.fixture
def places(ufo: Ufo) -> Ufo:
    """Files with typical defects in the user's folder."""
    rows = [{"question": "1+1?", "answer": "2"}, {"question": "2+2?", "answer": ""}, {"question": "3+3?"}]
    (ufo.folder / "holes.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (ufo.folder / "broken.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n{"question": \n')
    shutil.copytree(LAB, ufo.folder / "weightless", ignore=shutil.ignore_patterns("*.safetensors"))
    (ufo.folder / "empty").mkdir()
    return ufo


CUSTOM = ("model=tiny", "dataset=custom", "dataset.question=question", "dataset.answer=answer")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["selector=ufoo", "ratio=5pct", "train.lrr=1"],
            ["selector=ufoo", '"ufo"', "ratio=5pct", "train.lrr=1", "learning_rate"],
        ),
        (
            [
                "ratio.value=2",
                "paths.data=nowhere",
                "train=lab",
                "train.per_device_train_batch_size=7",
                "model.path=./gone",
            ],
            ["ratio.value=2", "paths.data=nowhere is no folder", "= 7 completions", "model.path=./gone is no folder"],
        ),
        (["train.learning_rate=-1", "dataset.num_prompts=0"], ["train.learning_rate=-1", "num_prompts"]),
        (["paths.outputs=/dev/null/x"], ["paths.outputs=/dev/null/x cannot be used: /dev/null is no folder"]),
        (["tracker=online"], ["tracker.mode=online: no W&B key", "tracker=offline"]),
        (
            ["deepspeed.config.zero_optimization.stge=1"],
            ["stge=1: no such key", '"stage"', "to add it: +deepspeed.config.zero_optimization.stge=1"],
        ),
        (["-m", "--cfg", "job", "seed=0,1"], ["leave -m out"]),
        (["--config-path", "."], ["--config-dir"]),
        (
            ["ratio.value=2", "seed=-1"],
            ["ratio.value=2 must be in (0, 1]", "selector=full", "seed=-1 must be in [0, 4294967295]"],
        ),
        (["dataset=gsm8k", "paths.data=nowhere"], ["paths.data=nowhere is no folder", "UFO_RL_DATA"]),
        (["dataset=gsm8k", "paths.data=empty"], ["gsm8k_train.jsonl"]),
        ([*CUSTOM, "dataset.path=holes.jsonl"], ["holes.jsonl:2", "holes.jsonl:3", "no answer"]),
        ([*CUSTOM, "dataset.path=broken.jsonl"], ["broken.jsonl:2"]),
        ([*CUSTOM, "dataset.path=missing.jsonl"], ["dataset.path=missing.jsonl", "no such file"]),
        ([*CUSTOM], ["dataset.path", ".jsonl"]),
        (["model.path=weightless"], ["model.path=weightless has no weights (*.safetensors)", "save_pretrained"]),
        (["model.path=./nowhere"], ["model.path=./nowhere is no folder", "hub id"]),
        (
            ["train.num_generations=7"],
            ["= 64 completions", "train.num_generations=7", "per_device_train_batch_size=70"],
        ),
        (
            ["launch.num_nodes=2", "launch.num_ranks=3", "launch.node_rank=2"],
            ["not divisible by launch.num_nodes=2; take launch.num_ranks=4", "node_rank=2 must be below", "rendezvous"],
        ),
        (["dataset.num_prompts=20"], ["keeps 2 of 20 prompts", "raise ratio.value"]),
        (["dataset.num_prompts=1000000"], ["num_prompts", "at most"]),
        (["-m", "seed=0,1", "ratio.value=0.1,2"], ["ratio.value=2 must be in (0, 1]"]),
        (["eval.rules_zone.grader=math"], ["to choose one: +grader@eval.rules_zone.grader=math"]),
        (["train.trl.top_k=a,b"], ["ufo-rl: train.trl.top_k=a,b: several values"]),
        (["~train.lrr"], ["~train.lrr: no such key"]),
        (["+train.lrr=1", "seed=1"], ["+train.lrr=1: no such key"]),
        (["compair"], ["compair: no such command", '"compare"']),
        (["compare", "nowhere"], ["nowhere"]),
        (["-cd", "nowhere"], ["--config-dir nowhere is no folder"]),
        (["-m", "--cfg", "job"], ["leave -m out"]),
        (["--resolve"], ["--resolve belongs to --cfg"]),
        (["--run", "-m"], ["--run and --multirun exclude each other"]),
        (["-m", "selector=glob(zz*)"], ["selector=glob(zz*): no value, and so no job"]),
        (["paths.outputs=broken.jsonl"], ["broken.jsonl is no folder"]),
        (["hydra.run.dir=broken.jsonl/x"], ["the run's folder broken.jsonl/x cannot be used"]),
        (["model.name=Qwen/Qwen3", "name=../up"], ['model.name="Qwen/Qwen3" must be one word', 'name="../up" must be']),
        (["--multirn"], ["unrecognized arguments: --multirn", "ufo-rl --hydra-help"]),
        (
            ["doctor", "-cd", CD, "-cn", "ratio"],
            ["doctor: ratio is a sweep", "choose selector=..., ratio=..., seed=..."],
        ),
        (["contamination", "-cd", CD, "-cn", "ratio"], ["contamination: ratio is a sweep"]),
    ],
)
def test_a_mistake_is_told_in_plain_words(
    places: Ufo,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: list[str],
) -> None:
    """In this process: what `python -m` adds to main() is tried below."""
    monkeypatch.setattr("signal.signal", lambda *_: None)  # pytest keeps its own
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(places.folder)
    for name in set(os.environ) - set(places.environment):
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["ufo-rl", *arguments])
    for remembered in (data._load, data._graded):  # by paths of another folder
        remembered.cache_clear()
    assert main() == 2
    output = "".join(capfd.readouterr())
    for words in expected:
        assert words in output
    assert "Traceback" not in output and "HYDRA_FULL_ERROR" not in output
    assert not (places.folder / "outputs").exists()  # nothing began


def test_a_mistake_ends_the_process_with_status_2_and_no_traceback(ufo: Ufo) -> None:
    output = ufo.run("ratio.value=2", "seed=-1", status=2)
    assert output == (
        "ufo-rl: ratio.value=2 must be in (0, 1]; for everything use selector=full\n"
        "ufo-rl: seed=-1 must be in [0, 4294967295]\n"
    )


def test_every_job_of_a_sweep_is_validated_before_the_first_starts(places: Ufo) -> None:
    places.run("-m", "seed=0,1", "dataset.num_prompts=4000,20", status=2)
    assert not (places.folder / "outputs").exists()


def test_a_prompt_limit_that_empties_the_pool_is_told_before_any_stage(ufo: Ufo) -> None:
    output = ufo.run(*ufo.SMALL, "train.max_prompt_tokens=3", status=1)
    assert "train.max_prompt_tokens=3 leaves no prompt: the shortest has" in output and "Traceback" not in output
    assert not list(ufo.folder.glob("outputs/cache/evaluations/*"))


@pytest.mark.soak
def test_a_full_disk_is_one_clear_message(ufo: Ufo) -> None:
    """Real writes beyond a real limit: the files of a stage outgrow it at once."""
    output = ufo.run(*ufo.SMALL, "selector=random", status=1, preexec=lambda: setrlimit(RLIMIT_FSIZE, (9000, 9000)))
    assert "did not complete: " in output and "File too large" in output and "Traceback" not in output
    assert not list(ufo.folder.rglob("train/manifest.json"))  # nothing half-written is published


def test_version(ufo: Ufo) -> None:
    assert ufo.run("--version").strip() == f"ufo-rl {version('ufo-rl')}"


def test_help_names_groups_options_and_commands(ufo: Ufo) -> None:
    output = ufo.run("help")
    assert output == ufo.run("--help")
    assert (
        "selector: accuracy, band, bin, easiest, full, hardest, random, ufo, ufo_high, ufo_low" in output
        and "ufo-rl compare" in output
    )
    assert "settings" not in output and "base" not in output  # parts that options share, which nobody chooses


def test_flags_may_stand_between_overrides(ufo: Ufo) -> None:
    assert "seed: 3" in ufo.run("selector=random", "--cfg", "job", "seed=3")


def test_the_users_folder_stands_behind_ours_as_in_hydra(ufo: Ufo) -> None:
    for option, value in (("10pct", 0.3), ("third", 0.33)):
        (ufo.folder / "mine/ratio").mkdir(parents=True, exist_ok=True)
        (ufo.folder / f"mine/ratio/{option}.yaml").write_text(f"value: {value}\n")
        (job,) = compose_jobs([f"ratio={option}"], str(ufo.folder / "mine"))
        shown = yaml.safe_load(ufo.run("-cd", "mine", f"ratio={option}", "--cfg", "job"))
        assert job.plain["ratio"] == shown["ratio"]
    assert "third" in ufo.run("-cd", "mine", "--help")


def test_hydra_takes_a_new_field_without_a_plus(ufo: Ufo) -> None:
    shown = ufo.run("train.trl.min_p=0.1", "engine=vllm", "engine.vllm.max_model_len=512", "--cfg", "job")
    assert "\n    min_p: 0.1\n" in shown and "\n    max_model_len: 512\n" in shown
