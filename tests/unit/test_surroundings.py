"""Folders, devices and hosts of a run: what cannot be used is told before anything starts, and what can is not refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.dataset.custom import CustomDataset
from ufo_rl.errors import UserError
from ufo_rl.experiment import made
from ufo_rl.experiment.prepare import check_selection
from ufo_rl.experiment.status import Status, claimed
from ufo_rl.experiment.surroundings import check_folder, check_machine, check_outputs
from ufo_rl.files import environment
from ufo_rl.launch import program
from ufo_rl.run import check_jobs


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_outputs_that_cannot_be_used_are_told_with_what_is_in_the_way(here: Path) -> None:
    Path("file").write_text("")
    Path("dangling").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    Path("taken").mkdir()
    Path("taken/cache").write_text("")
    for outputs, why in (
        ("file", f"{here}/file is no folder"),
        ("file/deep/er", f"{here}/file is no folder"),
        ("dangling/x", f"{here}/dangling is a link to nothing (nowhere)"),
        ("loop", "is a link to nothing (loop)"),
        ("taken", f"{here}/taken/cache is no folder"),
        ("a" * 300, "File name too long"),
        ("a\0b", "null"),
        ("", "no folder is named"),
        ("~nobody-of-that-name/x", "there is no user nobody-of-that-name"),
        ("/proc/x", "/proc"),
    ):
        if outputs == "/proc/x" and os.access("/proc", os.W_OK):
            continue  # root may write everywhere, it seems
        with pytest.raises(UserError) as caught:
            check_outputs(outputs)
        (problem,) = caught.value.problems
        assert problem.startswith(f"paths.outputs={outputs} cannot be used: ") and why in problem


def test_outputs_with_odd_names_and_to_be_made_are_fine(here: Path) -> None:
    Path("real").mkdir()
    Path("link").symlink_to("real")
    for outputs in ("link/x", "../up", "a b/Größe/100%/{x}", str(here / "full path"), "."):
        check_outputs(outputs)


def test_the_home_folder_is_where_a_user_means_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    (job,) = compose_jobs(['paths.outputs="~/x"', 'paths.data="~/data"'])
    config = load(job.plain)
    assert config.paths.outputs == f"{here}/x" and config.data == here / "data"
    assert job.folder.parent == here / "x/runs/dev"
    (here / "mine.jsonl").write_text(json.dumps({"question": "1+1=?", "answer": "2"}))
    columns = dict.fromkeys(("solution", "level", "subject", "question_pattern", "answer_pattern", "columns"))
    dataset = CustomDataset("~/mine.jsonl", "question", "answer", **columns, answer_boxed=False, strip_thousands=False)
    assert len(dataset.load().prompts) == 1


def test_a_folder_of_another_configuration_is_not_taken_for_ones_own(here: Path) -> None:
    one, other = (compose_jobs([f"seed={seed}", "hydra.run.dir=mine"])[0] for seed in (0, 1))
    check_folder(here / "mine", one.plain)
    (here / "mine").mkdir()
    (here / "mine/config.yaml").write_text(json.dumps(one.plain))
    check_folder(here / "mine", {**one.plain, "name": "another"})  # changes no result
    with pytest.raises(UserError, match=r"holds a run of another configuration .*; seed: 0 there, 1 here\)"):
        check_folder(here / "mine", other.plain)
    (here / "mine/config.yaml").write_text("[")
    with pytest.raises(UserError, match="holds a run of another configuration"):
        check_folder(here / "mine", one.plain)


def test_jobs_that_would_share_a_folder_are_told() -> None:
    small = ["selector=random", "train.max_steps=1"]
    with pytest.raises(UserError) as caught:
        check_jobs(compose_jobs(["seed=0,1", "hydra.sweep.subdir=x", *small], multirun=True))
    assert caught.value.problems == [
        "hydra.sweep.subdir: seed=0 and seed=1 would both be in outputs/sweeps/dev/x, and only one would run; name the folders "
        "by ${run_id:} or ${hydra.job.num}"
    ]
    check_jobs(compose_jobs(["ratio=05pct,10pct", *small[1:], "selector=full"], multirun=True))  # one run twice


def test_folders_of_jobs_in_this_process_and_in_others(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hydra:
        job = OmegaConf.create({"num": 1})

    monkeypatch.setattr(made.HydraConfig, "get", lambda: Hydra)
    with made.collected(here / "outputs") as found:
        made.tell_folder(here / "a")
        assert found.folders() == {1: here / "a"}
        with monkeypatch.context() as elsewhere:  # as a launcher's own process is: it has the environment alone
            elsewhere.setattr(made, "_here", [])
            Hydra.job.num = "???"
            made.tell_folder(here / "b")
        assert found.folders() == {0: here / "b", 1: here / "a"}
    assert list((here / "outputs").iterdir()) == [] and made.VARIABLE not in os.environ


@pytest.mark.parametrize("device", ["nvidia0", "nvidiactl", "kfd", "dxg", "nvhost-gpu"])
def test_cuda_is_refused_only_where_there_is_surely_none(
    here: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(environment, "_installed", lambda package: "2.13.0")
    assert environment.why_no_gpu(here) == f"this machine has no GPU (no {here}/nvidia*)"
    (here / device).write_text("")
    assert environment.why_no_gpu(here) == ""
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert environment.why_no_gpu(here) == f'CUDA_VISIBLE_DEVICES="{hidden}" hides every GPU'
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert environment.why_no_gpu(here) == ""
    monkeypatch.setattr(environment, "_installed", lambda package: "2.13.0+cpu")
    assert environment.why_no_gpu(here) == "torch 2.13.0+cpu is a build without CUDA"


def test_a_device_that_is_not_asked_for_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for device in ("auto", "cpu"):
        check_machine(compose_jobs([f"launch.device={device}"])[0].plain)
    plain = compose_jobs(["launch.device=cuda"])[0].plain
    told = r'^launch.device=cuda: CUDA_VISIBLE_DEVICES="" hides every GPU; leave it out'
    with pytest.raises(UserError, match=told):
        check_machine(plain)
    for names in (None, ["confidence"]):  # of `ufo-rl select` and `ufo-rl score`
        with pytest.raises(UserError, match=told):
            check_selection(plain, names)


def test_vllm_that_is_not_installed_is_told_where_it_would_run_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # what Python takes for a package that is not there

    def told(*overrides: str, **asked: Any) -> list[str]:
        try:
            check_machine(compose_jobs(list(overrides))[0].plain, **asked)
        except UserError as error:
            return [problem.split(":")[0] for problem in error.problems]
        return []

    scoring = "signal.confidence.engine=vllm"
    assert told("engine=vllm") == ["engine=vllm"] and told(scoring, signals=["confidence"]) == [scoring]
    assert told("engine=vllm", scoring, signals=["confidence"], generates=False) == [scoring]
    assert not told(scoring) and not told("engine=vllm", generates=False)
    with pytest.raises(UserError) as caught:
        check_jobs(compose_jobs(["selector=ufo,random", scoring], multirun=True))
    assert [problem.split(":")[0] for problem in caught.value.problems] == [scoring]


@pytest.mark.parametrize(
    ("said", "num_nodes", "rank"), [("2", 1, 0), ("", 1, 0), ("x", 1, 0), ("1", 2, 1), (None, 2, 0)]
)
def test_slurm_says_which_host_this_is_where_there_are_several(
    monkeypatch: pytest.MonkeyPatch, said: str | None, num_nodes: int, rank: int
) -> None:
    if said is None:
        monkeypatch.delenv("SLURM_NODEID", raising=False)
    else:
        monkeypatch.setenv("SLURM_NODEID", said)
    hosts = [f"launch.num_nodes={num_nodes}", "launch.num_ranks=2", "launch.rendezvous=node0:29500"]
    (job,) = compose_jobs(hosts)
    assert load(job.plain).launch.node_rank == rank


@pytest.mark.parametrize("said", ["", "x", "1.5"])
def test_a_host_number_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("SLURM_NODEID", said)
    (job,) = compose_jobs(["launch.num_nodes=2", "launch.num_ranks=2", "launch.rendezvous=node0:29500"])
    with pytest.raises(UserError) as caught:
        load(job.plain)
    assert caught.value.problems == [
        f"launch.node_rank={said} must be a whole number; where it is not set, SLURM_NODEID says which host this is"
    ]


def test_what_ctrl_c_ends_is_interrupted_and_not_failed(here: Path) -> None:
    with pytest.raises(KeyboardInterrupt), claimed(here, "run") as state:
        state.enter("score")
        raise KeyboardInterrupt
    assert json.loads((here / "status.json").read_text())["state"] == "interrupted"
    assert Status(here).error() == "interrupted in stage score"


def test_ranks_look_for_modules_in_the_folder_of_the_start_last(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", str(here), "/elsewhere", ""]))
    assert program.search() == {"PYTHONSAFEPATH": "1", "PYTHONPATH": "/elsewhere"}
    assert program.program("ufo_rl.launch.worker")[1:3] == ["-P", "-c"]
