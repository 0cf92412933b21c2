"""The open nodes train.trl and engine.vllm: any field of TRL's and vLLM's, its name and type checked without an import."""

from __future__ import annotations

import ast
import dataclasses
import textwrap
from pathlib import Path
from typing import Any

import pytest
from trl.trainer.grpo_config import GRPOConfig

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.dataclass_source import kind_of, package_folder
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import prepare
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.training.construct import grpo_arguments
from ufo_rl.training.trl_fields import HANDED_OVER, OWNED, REFUSED, VALUES, WORKED_OUT, fields, trl_problems

ENUMS = {"Mode": ("slow", "fast")}


def problems(*overrides: str) -> list[str]:
    (job,) = compose_jobs(list(overrides))
    with pytest.raises(UserError) as caught:
        prepare(load(job.plain))
    return caught.value.problems


def test_the_fields_read_from_the_sources_are_those_of_the_class() -> None:
    found = fields()
    assert found is not None
    assert set(found) == {field.name for field in dataclasses.fields(GRPOConfig)}
    assert not [name for name in OWNED if name not in found]
    for field in dataclasses.fields(GRPOConfig):  # no default of theirs may be refused
        assert field.default is dataclasses.MISSING or found[field.name].allows(_plain(field.default)), field.name


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [3], [3.0, True, "3", None]),
        ("float", [3, 0.5], [True, "3", None]),
        ("bool | None", [True, None], [1, "true"]),
        ("Optional[int]", [3, None], ["3", 0.5]),
        ("Union[str, list[str]]", ["a", ["a"]], [3, {}]),
        ("dict[str, Any] | str | None", [{"a": 1}, "{}", None], [3, []]),
        ("Literal['a', 'b']", ["a"], ["c", None]),
        ("Mode", ["slow"], ["quick"]),
        ("Mode | str", ["fast"], ["quick", 3]),
        ("'int | None'", [3, None], ["a"]),
        ("Strange | None", [object(), 3, None], []),
        ("typing.List[int]", [[1]], [1]),
    ],
)
def test_what_an_annotation_allows(annotation: str, good: list[Any], bad: list[Any]) -> None:
    kind = kind_of(ast.parse(annotation, mode="eval").body, ENUMS)
    assert [value for value in good if not kind.allows(value)] == []
    assert [value for value in bad if kind.allows(value)] == []


def test_every_field_that_we_fill_is_named_by_its_key(tmp_path: Path) -> None:
    """And none besides: what the program hands to TRL is what the message table says that it fills."""
    (job,) = compose_jobs(["train.trl.min_p=0.1", "train.save_steps=7", "launch.device=cpu"])
    train = load(job.plain).train
    made = grpo_arguments(train, None, 5, tmp_path, True, [1.0])
    assert {name: getattr(made, name) for name in HANDED_OVER} == {
        name: getattr(train, key) for name, key in HANDED_OVER.items()
    }
    assert (made.min_p, made.optim, made.top_p, made.top_k, made.logging_steps) == (0.1, "adamw_torch", 1.0, 0, 1)
    assert (made.seed, made.data_seed, made.save_strategy, made.save_steps) == (5, 5, "steps", 7)
    assert made.save_total_limit is None and made.shuffle_dataset  # checkpoints are counted and removed by us
    assert not set(HANDED_OVER) & set(WORKED_OUT) and not set(REFUSED) & {*HANDED_OVER, *WORKED_OUT}
    assert trl_problems(dict.fromkeys(HANDED_OVER, 1)) == [
        f"train.trl.{name}=1: this is train.{key}" for name, key in HANDED_OVER.items()
    ]


def test_values_that_are_checked_late_are_those_of_the_sources() -> None:
    found, defaults = fields(), {field.name: field.default for field in dataclasses.fields(GRPOConfig)}
    assert found is not None
    trl, transformers = (package_folder(name) for name in ("trl", "transformers"))
    assert trl is not None and transformers is not None
    sources = (*trl.glob("trainer/grpo_*.py"), trl / "generation/vllm_generation.py")
    others = (transformers / "training_args.py", transformers / "utils/logging.py")
    text = "".join(path.read_text() for path in (*sources, *others)).replace("dict(**log_levels, passive=", '"passive"')
    for name, values in VALUES.items():
        assert defaults[name] in values
        assert all(f'"{value}"' in text or f"'{value}'" in text for value in values), name
        assert found[name].allows(values[0]) and not found[name].allows("else")


def test_no_checkpoints_where_none_are_asked_for(tmp_path: Path) -> None:
    (job,) = compose_jobs(["train.save_steps=null"])
    assert grpo_arguments(load(job.plain).train, None, 0, tmp_path, True, [1.0]).save_strategy == "no"


def test_what_trl_alone_can_refuse_is_told_in_its_words(tmp_path: Path) -> None:
    (job,) = compose_jobs(["train.trl.steps_per_generation=1", "train.trl.generation_batch_size=64"])
    with pytest.raises(UserError, match="train: TRL refuses these settings: 'generation_batch_size' and"):
        grpo_arguments(load(job.plain).train, None, 0, tmp_path, True, [1.0])


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "train.trl.importance_samplng_level=sequence",
            "train.trl.importance_samplng_level: TRL's GRPOConfig has no such field; did you mean "
            '"importance_sampling_level"?',
        ),
        ("train.trl.top_k=many", "train.trl.top_k=many must be a whole number"),
        ("+train.trl.top_p=null", "train.trl.top_p=null must be a number"),
        (
            "train.trl.hub_strategy=ende",
            "train.trl.hub_strategy=ende must be one of end, every_save, checkpoint, "
            'all_checkpoints; did you mean "end"?',
        ),
        (
            "train.trl.importance_sampling_level=sequnce",
            'train.trl.importance_sampling_level=sequnce must be one of token, sequence; did you mean "sequence"?',
        ),
        (
            "train.trl.auto_find_batch_size=true",
            "train.trl.auto_find_batch_size=true: never done: a batch holds whole groups; choose "
            "train.per_device_train_batch_size",
        ),
        ("train.trl.num_generations=4", "train.trl.num_generations=4: this is train.num_generations"),
        ("train.trl.max_completion_length=4", "train.trl.max_completion_length=4: this is train.max_completion_tokens"),
        ("train.trl.seed=4", "train.trl.seed=4: this is seed"),
        ("train.trl.use_cpu=true", "train.trl.use_cpu=true: this is launch.device"),
        (
            "train.trl.report_to=wandb",
            "train.trl.report_to=wandb: set by the program; choose with tracker=auto, online, offline or off",
        ),
        ("engine.vllm.seed=4", "engine.vllm.seed: nothing here runs vLLM; choose engine=vllm"),
    ],
)
def test_a_wrong_field_is_told_in_words(override: str, problem: str) -> None:
    assert problems(override) == [problem]


def test_wrong_fields_come_with_all_other_problems() -> None:
    (job,) = compose_jobs(["train.trl.top_j=1", "engine=vllm", "engine.vllm.dtype=half", "dataset.num_prompts=0"])
    with pytest.raises(UserError) as caught:
        prepare(load(job.plain))
    assert [p.split(":")[0].split("=")[0] for p in caught.value.problems] == [
        "engine.vllm.dtype",
        "train.trl.top_j",
        "dataset.num_prompts",
    ]


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_new_fields_need_no_plus(plus: str) -> None:
    overrides = [f"{plus}train.trl.min_p=0.1", f"{plus}train.trl.top_k=3", f"{plus}train.trl.generation_kwargs={{a:1}}"]
    (job,) = compose_jobs(overrides)
    trl = job.plain["train"]["trl"]
    assert (trl["min_p"], trl["top_k"], trl["generation_kwargs"]) == (0.1, 3, {"a": 1})


def test_a_sweep_over_a_new_field() -> None:
    jobs = compose_jobs(["train.trl.min_p=0.1,0.2", "engine.vllm={max_model_len:512}"], None, None, True)
    assert [job.plain["train"]["trl"]["min_p"] for job in jobs] == [0.1, 0.2]
    assert all(job.plain["engine"]["vllm"] == {"max_model_len": 512} for job in jobs)
    assert len({job.folder for job in jobs}) == 2


SWEEP = """
defaults: [config, _self_]
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      "KEY": 0.1,0.2
"""


def test_a_sweep_file_is_told_how_hydra_takes_a_new_field(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(SWEEP.replace("KEY", "train.trl.min_p"))
    with pytest.raises(UserError, match=r"hydra.sweeper.params.train.trl.min_p: write \+\+train.trl.min_p there"):
        compose_jobs([], str(tmp_path), "plain")
    (tmp_path / "added.yaml").write_text(SWEEP.replace("KEY", "++train.trl.min_p"))
    jobs = compose_jobs([], str(tmp_path), "added")
    assert [job.plain["train"]["trl"]["min_p"] for job in jobs] == [0.1, 0.2]


ENGINE_ARGUMENTS = """
    @dataclass
    class EngineArgs:
        model: str = ModelConfig.model
        max_model_len: int | None = None
        enforce_eager: bool = False
        kv_cache_dtype: CacheDType = "auto"
        seed: int = 0
"""


def test_arguments_of_an_installed_vllm_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "vllm"
    (package / "engine").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    (package / "engine" / "arg_utils.py").write_text(textwrap.dedent(ENGINE_ARGUMENTS))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = problems(
        "engine=vllm",
        "engine.vllm.max_model_length=512",
        "engine.vllm.enforce_eager=perhaps",
        "engine.vllm.kv_cache_dtype=fp8",
        "engine.vllm.seed=3",
        "engine.vllm.gpu_memory_utilization=0.5",
    )
    assert found == [
        'engine.vllm.max_model_length: vLLM\'s EngineArgs has no such field; did you mean "max_model_len"?',
        "engine.vllm.enforce_eager=perhaps must be true or false",
        "engine.vllm.seed=3: set by the program: every sample has a seed of its own",
        "engine.vllm.gpu_memory_utilization=0.5: this is engine.memory_share",
    ]


def test_names_of_a_vllm_that_is_not_here_pass_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        (job,) = compose_jobs(["engine=vllm", "engine.vllm.anything_new=5"])
        prepare(load(job.plain))
    assert [r.message for r in caplog.records] == [
        "engine.vllm: vLLM is not installed here, so the names anything_new are not checked"
    ]


def test_stored_completions_know_the_engine_that_made_them() -> None:
    assert decides("hf", {}) == "hf" and decides("vllm", {}) == "vllm"
    assert decides("vllm", {"quantization": "fp8"}) == ["vllm", {"quantization": "fp8"}]


MINE = """
defaults:
  - base@_here_: grpo
  - _self_

name: mine
learning_rate: 1.0e-4
trl:
  importance_sampling_level: sequence
"""


def test_a_recipe_from_a_folder_of_ones_own_says_only_what_it_changes(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mine.yaml").write_text(MINE)
    (mine,) = compose_jobs(["train=mine"], str(tmp_path))
    (lab,) = compose_jobs(["train=lab"])
    train = load(mine.plain).train
    assert (train.name, train.learning_rate, train.trl["importance_sampling_level"]) == ("mine", 1e-4, "sequence")
    assert {**train.trl} == {**lab.plain["train"]["trl"], "importance_sampling_level": "sequence"}
    prepare(load(mine.plain))
