"""A model that is given by its path alone runs under its own name, with choices that are shown: never another model's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ufo_rl.config.compose import Job, compose_jobs, compose_one
from ufo_rl.config.folder_facts import MAX_NAME, name_of, word_of
from ufo_rl.errors import UserError
from ufo_rl.model.weights import packaged

LAB = packaged("package:lab/tiny")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with a model of theirs, and a folder of presets and sweeps."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(LAB, tmp_path / "Mine-135M")
    (tmp_path / "conf/experiment").mkdir(parents=True)
    return tmp_path


def one(*words: str, name: str | None = None) -> Job:
    (job,) = compose_jobs(list(words), "conf" if Path("conf").is_dir() else None, name)
    return job


def who(job: Job) -> tuple[str, str, str]:
    """Name, template, recipe."""
    return job.plain["model"]["name"], job.plain["template"]["name"], job.plain["train"]["name"]


def told(*words: str, name: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        one(*words, name=name)
    (problem,) = caught.value.problems
    return problem


def test_a_path_alone_has_its_own_name_and_no_recipe_or_template_of_the_lab(here: Path) -> None:
    job = one("model.path=./Mine-135M/")
    assert who(job) == ("Mine-135M", "r1", "paper")
    assert job.folder.name.startswith("Mine-135M-rules-ufo-10pct-s0-")
    assert job.choice.added == ("model=custom",)
    assert (job.plain["model"]["dtype"], job.plain["model"]["max_completion_tokens"]) == ("float32", 1024)
    assert job.notice == (
        "model.path=./Mine-135M/ runs with model.name=Mine-135M template=r1 train=paper model.dtype=float32 "
        "model.max_completion_tokens=1024; write any of these otherwise to choose another"
    )
    assert one().notice == one("experiment=paper").notice == ""


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("model.path=5", "model.path=5 is no path; write model.path=./5 for a folder of that name"),
        ("model.path=null", "model.path=null is no path; give a folder or a hub id"),
        ("model.path=", "model.path= is no path; give a folder or a hub id"),
        ("model.path=[a]", "model.path=[a] is no path; give a folder or a hub id"),
        (
            "model={path: ./Mine-135M}",
            "model={path:./Mine-135M}: give the path by itself, model.path=FOLDER, and other keys likewise",
        ),
    ],
)
def test_what_is_no_path_is_told(here: Path, word: str, problem: str) -> None:
    assert told(word) == problem


def test_a_hub_id_alone_has_its_own_name() -> None:
    job = one("model.path=Qwen/Qwen3-0.6B")
    assert who(job) == ("Qwen3-0.6B", "r1", "paper") and job.plain["model"]["dtype"] == "bfloat16"


def test_a_preset_keeps_what_it_states_but_not_its_models_name(here: Path) -> None:
    job = one("experiment=paper", "model.path=Mine-135M", "train.max_steps=3")
    assert who(job) == ("Mine-135M", "r1", "paper")
    assert job.plain["name"] == "paper" and job.plain["dataset"]["name"] == "gsm8k"
    (here / "conf/experiment/short.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: tiny\n  - override /template: short\n"
    )
    assert who(one("experiment=short", "model.path=Mine-135M")) == ("Mine-135M", "short", "paper")


def test_a_path_in_a_preset_or_a_sweep_is_no_other_models(here: Path) -> None:
    preset, sweep = here / "conf/experiment/mine.yaml", here / "conf/grid.yaml"
    preset.write_text("# @package _global_\nmodel:\n  path: Mine-135M\n")
    assert who(one("experiment=mine")) == ("Mine-135M", "r1", "paper")
    preset.write_text(
        "# @package _global_\ndefaults:\n  - override /model: qwen2.5-0.5b\nmodel:\n  path: copy-of-qwen\n"
    )
    assert one("experiment=mine").plain["model"]["name"] == "qwen2.5-0.5b"  # stated together: it is one
    sweep.write_text("defaults: [config, _self_]\nmodel:\n  path: Mine-135M\n")
    assert who(one(name="grid")) == ("Mine-135M", "r1", "paper")
    sweep.write_text(
        "defaults: [config, _self_]\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      model.path: Mine-135M,org/other\n"
    )
    jobs = compose_jobs(["seed=0,1"], "conf", "grid")
    assert [who(job)[0] for job in jobs] == ["Mine-135M", "Mine-135M", "other", "other"]
    assert {job.choice.added for job in jobs} == {("model=custom",)}


def test_every_command_reads_a_path_in_the_same_way(here: Path) -> None:
    jobs = compose_jobs(["model.path=Mine-135M,org/other", "selector=ufo,random"], multirun=True)
    assert {who(job) for job in jobs} == {("Mine-135M", "r1", "paper"), ("other", "r1", "paper")}
    assert len({job.folder for job in jobs}) == 4
    assert who(compose_one(["model.path=Mine-135M"], None, None, "doctor"))[0] == "Mine-135M"


def test_a_stated_copy_is_believed_unless_the_folder_contradicts(here: Path) -> None:
    assert who(one("model=tiny", "model.path=Mine-135M")) == ("tiny", "short", "lab")
    assert who(one("model=qwen2.5-7b", "model.path=not/here")) == ("qwen2.5-7b", "r1", "paper")
    assert told("model=qwen2.5-7b", "model.path=Mine-135M") == (
        "model=qwen2.5-7b model.path=Mine-135M: the folder is no copy of Qwen/Qwen2.5-7B-Instruct (0.00047 billion weights); "
        "leave model=qwen2.5-7b out to run it under its own name, with template=... and train=... of your choice"
    )
    config = json.loads((here / "Mine-135M/config.json").read_text())
    (here / "Mine-135M/config.json").write_text(json.dumps({**config, "model_type": "llama", "num_hidden_layers": 9}))
    assert "(model_type llama)" in told("model=mistral-7b", "model.path=Mine-135M")
    assert "(model_type llama, num_hidden_layers 9)" in told("model=tiny", "model.path=Mine-135M")


def test_a_policy_of_ours_is_asked_as_it_was_trained(here: Path) -> None:
    policy = here / "outputs/runs/dev/tiny-arithmetic-ufo-10pct-s0-12345678/train/policy"
    shutil.copytree(LAB, policy)
    config = {**one().plain, "template": one("template=boxed").plain["template"]}
    record = {"model": config["model"], "template": config["template"], "train": "lab"}
    (policy / "ufo_rl.json").write_text(json.dumps(record))
    job = one(f"model.path={policy}")
    assert who(job) == ("tiny-arithmetic-ufo-10pct-s0-12345678", "boxed", "lab")
    assert job.plain["model"]["max_completion_tokens"] == 64
    assert job.choice.added == ("model=custom", "template=boxed", "train=lab")
    assert who(one(f"model.path={policy}", "template=r1", "train=paper"))[1:] == ("r1", "paper")
    assert who(one("experiment=paper", f"model.path={policy}"))[1:] == ("r1", "paper")
    (policy / "ufo_rl.json").write_text(json.dumps({**record, "template": {"name": "mine", "user": "{question}"}}))
    assert "was trained with template=mine, which is no option here; choose template=..." in told(
        f"model.path={policy}"
    )
    (policy / "ufo_rl.json").write_text(json.dumps({**record, "template": {**config["template"], "system": "Hm."}}))
    assert "was trained with template=boxed, but with template.system='Hm.'" in told(f"model.path={policy}")
    (policy / "ufo_rl.json").unlink()  # as earlier versions left it: the run says it
    (policy.parents[1] / "config.yaml").write_text(json.dumps(config))
    assert who(one(f"model.path={policy}"))[1:] == ("boxed", "rules")


def test_policies_of_two_templates_need_a_choice(here: Path) -> None:
    for name in ("short", "boxed"):
        shutil.copytree(LAB, here / name)
        record = {"model": {"name": "x"}, "template": one(f"template={name}").plain["template"], "train": "lab"}
        (here / name / "ufo_rl.json").write_text(json.dumps(record))
    with pytest.raises(
        UserError, match=r"trained with different options of template \(short: short, boxed: boxed\); choose"
    ):
        compose_jobs(["model.path=short,boxed"], multirun=True)


def test_other_data_than_the_labs_need_a_chosen_model() -> None:
    words = ["dataset=custom", "dataset.path=mine.jsonl"]
    with pytest.raises(UserError) as caught:
        one(*words).check_model()
    (problem,) = caught.value.problems
    assert problem == (
        "dataset=custom: choose its model with model=NAME or model.path=FOLDER; the default, model=tiny-rules, knows the "
        "lab's letters alone (write model=tiny-rules if it is meant)"
    )
    for chosen in (["model=tiny"], ["model=qwen2.5-0.5b"], ["model.path=mine"], ["experiment=paper"]):
        one(*words, "eval=math500", *chosen).check_model()
    one().check_model()
    with pytest.raises(UserError, match=r"^dataset=arithmetic: choose its model with model=tiny; the default"):
        one("dataset=arithmetic").check_model()


def test_other_models_than_the_labs_need_chosen_data(here: Path) -> None:
    """Letters mean nothing to them: an accuracy near 0 would say nothing, and nobody would see why."""
    own = here / "conf/dataset"
    own.mkdir()
    (own / "own.yaml").write_text("defaults: [base/arithmetic@_here_]\nname: own\nsplit: train\nnum_prompts: 96\n")

    def problem(*words: str, asked: tuple[str, ...] = ()) -> str:
        with pytest.raises(UserError) as caught:
            one(*words).check_model(*asked)
        return str(caught.value)

    assert problem("model=qwen2.5-0.5b").startswith(
        "model.path=Qwen/Qwen2.5-0.5B-Instruct: choose its data with dataset="
    )
    assert "choose its data" in problem("model.path=Mine-135M", "eval=math500")
    assert problem("model.path=Mine-135M", asked=("eval",)).startswith(
        "model.path=Mine-135M: choose benchmarks with eval="
    )
    assert problem("model=tiny", "dataset=own").startswith("dataset=own: choose benchmarks with eval=NAME")
    one("model.path=Mine-135M", "eval=math500").check_model("eval")
    one("model.path=Mine-135M", "dataset=own").check_model("dataset")  # what scores asks no benchmark
    one("model=tiny", "dataset=own", "eval=arithmetic").check_model()
    one("model.path=Mine-135M", "dataset=rules").check_model()
    one("experiment=paper", "model.path=Mine-135M").check_model()
    (here / "conf/mine.yaml").write_text(
        "defaults: [config, override dataset: own, override eval: arithmetic, _self_]\n"
    )
    one("model=tiny", name="mine").check_model()
    policy = here / "policy"
    shutil.copytree(LAB, policy)
    job = one()
    record = {"model": job.plain["model"], "template": job.plain["template"], "train": "rules"}
    (policy / "ufo_rl.json").write_text(json.dumps(record))
    one("model.path=policy").check_model()  # one of the lab's own


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("~/models/SmolLM2 135M (mine)", "SmolLM2-135M-mine"),
        ("./tiny", "custom-tiny"),
        ("copies/Qwen2.5-7b", "custom-Qwen2.5-7b"),
        ("package:lab/tiny", "custom-tiny"),
        ("org/модель", "custom"),
        ("run7/checkpoint-50", "run7-checkpoint-50"),
        ("cache/models--Qwen--Qwen3-4B/snapshots/" + "0" * 40, "Qwen3-4B"),
        ("outputs/runs/dev/tiny-arithmetic-full-s0-abcdef12/train/policy", "tiny-arithmetic-full-s0-abcdef12"),
        ("/", "custom"),
    ],
)
def test_names_of_paths_are_one_word(path: str, name: str) -> None:
    assert name_of(path) == name


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = word_of("m" * 300), word_of("m" * 301)
    assert len(one) == len(other) == MAX_NAME and one != other
