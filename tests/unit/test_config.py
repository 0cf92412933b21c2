"""Validation: every problem at once, with key, value and cure."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from typing import Any, get_args, get_origin

import pytest
from pydantic import Strict, TypeAdapter

from ufo_rl.config.build import build
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import run_id, volatile
from ufo_rl.config.kinds import changes_no_result, keys_of, opened
from ufo_rl.config.load import load
from ufo_rl.config.schema import Config, EngineConfig
from ufo_rl.errors import UserError
from ufo_rl.selector.cut import num_kept


@functools.cache
def composed(*overrides: str) -> dict[str, Any]:
    (job,) = compose_jobs(list(overrides))
    return job.plain


def plain(*overrides: str) -> dict[str, Any]:
    return copy.deepcopy(composed("model=tiny", *overrides))


def problems(change: dict[str, Any]) -> list[str]:
    config = plain()
    for key, value in change.items():
        *parents, last = key.split(".")
        node = config
        for parent in parents:
            node = node[parent]
        node[last] = value
    with pytest.raises(UserError) as caught:
        load(config)
    return caught.value.problems


def test_all_wrong_values_come_in_one_message() -> None:
    found = problems({"ratio.value": 2, "seed": -1, "model.dtype": "float23", "train.max_steps": "many"})
    assert [p.split("=")[0] for p in found] == ["model.dtype", "ratio.value", "train.max_steps", "seed"]
    assert found[0] == 'model.dtype=float23 must be one of float32, bfloat16, float16; did you mean "float32"?'
    assert found[1] == "ratio.value=2 must be in (0, 1]; for everything use selector=full"
    assert found[2] == "train.max_steps=many must be a whole number"


@pytest.mark.parametrize("value", [0, -0.1, 1.0000001, float("nan"), float("inf"), "0.1", True, None])
def test_ratio_outside_its_range(value: Any) -> None:
    assert len(problems({"ratio.value": value})) == 1


def test_batch_must_be_divisible_by_the_group() -> None:
    (found,) = problems(
        {"train.num_generations": 7, "train.per_device_train_batch_size": 16, "train.gradient_accumulation_steps": 1}
    )
    assert "= 16 completions a step, not divisible by train.num_generations=7" in found
    assert "train.per_device_train_batch_size=21" in found


def test_a_limit_beyond_the_benchmark_is_refused() -> None:
    assert problems({"eval.arithmetic.limit": 601}) == [
        "eval.arithmetic.limit=601 is more than the 600 questions of the benchmark; for all of them: "
        "eval.arithmetic.limit=null"
    ]


def test_unknown_and_missing_keys() -> None:
    found = problems({"train.lerning_rate": 1.0, "eval.arithmetic.few_shot": [{"question": "1+1?"}]})
    assert found[0].startswith('train.lerning_rate: unknown key; did you mean "learning_rate"? (keys here: name, ')
    assert found[1:] == ["eval.arithmetic.few_shot[0].response is missing"]


def test_a_missing_group_is_one_problem_beside_the_others() -> None:
    config = plain()
    del config["reward"]
    config["launch"]["num_ranks"] = 0
    with pytest.raises(UserError) as caught:
        load(config)
    assert caught.value.problems == ["reward is missing", "launch.num_ranks=0 must be >= 1"]


IS_TEXT = ", and this is text; leave out its quotes, or write ${oc.decode:${oc.env:NAME}} for a variable's number"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.learning_rate", "1e-4", f"train.learning_rate=1e-4 must be a number{IS_TEXT}"),
        ("train.learning_rate", True, "train.learning_rate=true must be a number"),
        ("train.learning_rate", float("inf"), "train.learning_rate=inf must be > 0"),
        ("train.warmup_ratio", 1, "train.warmup_ratio=1 must be in [0, 1)"),
        ("launch.num_ranks", 1.0, "launch.num_ranks=1.0 must be a whole number"),
        ("launch.num_ranks", True, "launch.num_ranks=true must be a whole number"),
        ("train.bf16", 1, "train.bf16=1 must be true or false"),
        ("model.path", 3, "model.path=3 must be text; to give it as text: 'model.path=\"3\"'"),
        ("model.dtype", None, "model.dtype=null must be one of float32, bfloat16, float16"),
        ("template", "r1", "template=r1 must be a group of keys, not a single value"),
        ("dataset", None, "dataset=null must be a mapping of keys to values"),
        ("tracker.tags", "a", "tracker.tags=a must be a list, for example tracker.tags=[a,b]"),
        ("tracker.tags", ["a", 1], "tracker.tags[1]=1 must be text"),
    ],
)
def test_a_value_of_the_wrong_kind_is_not_converted(key: str, value: Any, expected: str) -> None:
    assert problems({key: value}) == [expected]


def test_yaml_reads_the_word_off_as_false() -> None:
    config = plain()
    config["deepspeed"]["name"] = config["tracker"]["mode"] = False
    assert (load(config).deepspeed.name, load(config).tracker.mode) == ("off", "off")


def test_a_typed_configuration_goes_through_json() -> None:
    config = load(plain("eval=[arithmetic,math500]"))
    again = TypeAdapter(Config).validate_python(json.loads(json.dumps(asdict(config))))
    assert again == config and isinstance(again.train, type(config.train))


def leaves(kind: Any, key: str) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    base, marks = opened(kind)
    if is_dataclass(base):
        for name, field in keys_of(base).items():
            yield from leaves(field, f"{key}.{name}")
    elif get_origin(base) in (list, dict) and base != dict[str, Any]:
        yield from leaves(get_args(base)[-1], f"{key}[]")
    else:
        yield key, base, marks


@pytest.mark.parametrize(("key", "base", "marks"), list(leaves(Config, "config")))
def test_every_scalar_is_strict(key: str, base: Any, marks: tuple[Any, ...]) -> None:
    """float, int and bool alone would read "0.1" and 1: fields say Number, Whole and Flag."""
    if base in (float, int, bool):
        assert any(isinstance(mark, Strict) and mark.strict for mark in marks), key


def test_keys_that_change_no_result_are_marked_at_their_type() -> None:
    assert changes_no_result(EngineConfig) == ("batch_tokens", "memory_share")
    assert {
        *("name", "paths", "launch.device", "signal.confidence.batch_tokens"),
        *(f"engine.{key}" for key in changes_no_result(EngineConfig)),
    } < set(volatile(plain()))


def test_build_refuses_what_is_not_allowed() -> None:
    with pytest.raises(UserError, match=r"outside ufo_rl; allow its package with plugins=\[os\]"):
        build({"_target_": "os.system"}, "selector")
    with pytest.raises(UserError, match=r'selector\.centre: unknown key; did you mean "center"'):
        build({"_target_": "ufo_rl.selector.accuracy.Accuracy", "name": "a", "centre": 0.5}, "selector")
    with pytest.raises(UserError, match="missing a required argument: 'center'"):
        build({"_target_": "ufo_rl.selector.accuracy.Accuracy"}, "selector")
    with pytest.raises(UserError, match=r"selector.center=2 must be in \[0, 1\]"):
        build({"_target_": "ufo_rl.selector.accuracy.Accuracy", "center": 2}, "selector")
    with pytest.raises(UserError, match="cannot be imported"):
        build({"_target_": "ufo_rl.selector.nothing.Here"}, "selector")


def test_a_rule_of_a_signal_is_told_by_the_key_that_it_is_about() -> None:
    node = plain()["signal"]["pass_rate"]
    for values, told in (
        ({"adaptive": [0.9, 0.1]}, "[0.9,0.1] must be an interval of pass rates [low,high], for example [0.4,0.6]"),
        (
            {"adaptive": [0.6, 0.7], "num_samples": 2},
            "[0.6,0.7] holds no pass rate of signal.pass_rate.num_samples=2; widen it",
        ),
    ):
        with pytest.raises(UserError) as caught:
            build({**node, **values}, "signal.pass_rate")
        assert caught.value.problems == [f"signal.pass_rate.adaptive={told}"]


def test_a_function_is_a_part_that_is_not_called() -> None:
    node = {"_target_": "ufo_rl.selector.cut.num_kept", "name": "cut"}
    assert build(node, "reward.parts.cut") is num_kept
    assert build({**node, "num_prompts": 40}, "reward.parts.cut")(0.1) == 4
    with pytest.raises(UserError, match=r'reward\.parts\.cut\.num_prompt: unknown key; did you mean "num_prompts"'):
        build({**node, "num_prompt": 40}, "reward.parts.cut")
    with pytest.raises(UserError, match="is no class or function"):
        build({"_target_": "ufo_rl.config.build.LABEL"}, "selector")


def test_run_id_names_the_choices() -> None:
    name, digest = run_id(plain("selector=random", "ratio=05pct", "seed=3")).rsplit("-", 1)
    assert name == "tiny-arithmetic-random-05pct-s3"
    assert len(digest) == 8 and int(digest, 16) >= 0
    assert run_id(plain("ratio.value=0.075")).startswith("tiny-arithmetic-ufo-07.5pct-s0-")


@pytest.mark.parametrize(
    "override",
    [
        "tracker=off",
        "name=other",
        "paths.outputs=elsewhere",
        "engine.batch_tokens=3",
        "launch.threads_per_rank=1",
        "signal.pass_rate.num_samples=4",
        "force=true",
        "contamination.threshold=0.5",
    ],
)
def test_run_id_ignores_what_changes_no_result(override: str) -> None:
    assert run_id(plain(override)) == run_id(plain())


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "train.beta=0.1",
        "template=r1",
        "deepspeed=off",
        "launch.num_ranks=2",
        "eval.arithmetic.limit=5",
        "dataset.seed=1",
        "model.dtype=bfloat16",
        "contamination.remove=true",
    ],
)
def test_run_id_changes_with_the_results(override: str) -> None:
    assert run_id(plain(override)) != run_id(plain())


def test_full_has_one_identity_in_a_sweep_over_ratios() -> None:
    names = {run_id(plain("selector=full", ratio)) for ratio in ("ratio=05pct", "ratio=10pct", "ratio=full")}
    assert len(names) == 1 and names.pop().startswith("tiny-arithmetic-full-s0-")
