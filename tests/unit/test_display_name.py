"""What runs are called in W&B: an ablation's runs are told apart without their hashes."""

from __future__ import annotations

import itertools

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.display_name import MAX_CHARS, display_name
from ufo_rl.config.identity import run_id, run_name


def names(*overrides: str) -> list[str]:
    jobs = compose_jobs(["model=tiny", *overrides], multirun=True)
    return [run_name(job.plain, job.overrides) for job in jobs]


def without_hash(name: str) -> str:
    return name.rpartition("-")[0]


def test_runs_that_differ_in_one_value_say_which() -> None:
    assert list(map(without_hash, names("train.learning_rate=1e-6,1e-5", "seed=0,1"))) == [
        f"tiny-arithmetic-ufo-10pct-learning_rate={rate}-s{seed}" for rate in ("1e-6", "1e-5") for seed in (0, 1)
    ]
    assert list(map(without_hash, names("selector.center=mean,median", "tracker=off", "force=true"))) == [
        "tiny-arithmetic-ufo-10pct-center=mean-s0",
        "tiny-arithmetic-ufo-10pct-center=median-s0",
    ]
    assert without_hash(*names("eval=[arithmetic]", "deepspeed=zero3", "ratio.value=0.07")) == (
        "tiny-arithmetic-ufo-07pct-deepspeed=zero3-eval=arithmetic-s0"
    )


def test_a_name_is_short_unique_and_ends_in_the_hash_of_the_folder() -> None:
    sweep = (
        "reward.parts.format.weight=0.1,0.2",
        "reward.parts.correctness.weight=0.1,0.2",
        "dataset.num_prompts=100,200",
    )
    jobs = compose_jobs(list(sweep), multirun=True)
    found = [run_name(job.plain, job.overrides) for job in jobs]
    assert len({without_hash(name) for name in found}) == len(jobs) == 8
    assert "correctness.weight=0.1-format.weight=0.1" in found[0] and "num_prompts=100" in found[0]
    for job, name in zip(jobs, found, strict=True):
        assert name.rpartition("-")[2] == run_id(job.plain).rpartition("-")[2]


def test_the_order_of_the_words_names_no_other_run() -> None:
    words = ("train.beta=0.1", "+train.trl.min_p=0.2", "seed=3")
    assert len({name for order in itertools.permutations(words) for name in names(*order)}) == 1


def test_no_name_is_longer_than_wandb_takes() -> None:
    many = [f"train.trl.field_number_{i}={'v' * 40}" for i in range(9)]
    name = display_name("tiny-arithmetic-ufo-10pct", "s0-209687c7", many, ())
    assert len(name) <= MAX_CHARS and name.endswith("-+7-s0-209687c7") and "field_number_1=vvvvvvv" in name
    assert len(display_name("m" * 300, "s0-209687c7", many, ())) <= MAX_CHARS
    assert display_name("m" * 300, "s0-209687c7", many, ()).endswith("-s0-209687c7")


def test_what_is_varied_finds_room_before_what_is_set_for_all() -> None:
    sizes = ("dataset.num_prompts=96", "eval.arithmetic.dataset.num_prompts=24", "eval.arithmetic.size=24")
    rest = ("train.max_steps=2", "train.per_device_train_batch_size=16", "deepspeed=zero2")
    found = names(*sizes, *rest, "train.learning_rate=1e-6,1e-5")
    assert len({without_hash(name) for name in found}) == 2 and max(map(len, found)) <= MAX_CHARS


def test_paths_and_lists_are_shown_by_what_matters() -> None:
    words = ["model.path=/data/models/mine/", "dataset.levels=[1,2]", "~signal", "+grader@eval.mine.grader=digits"]
    assert display_name("a", "z", words, ()) == "a-path=data/models/mine-signal=none-levels=1,2-grader=digits-z"


def test_long_values_and_mappings_are_told_apart_too() -> None:
    long = "'{{question}} {} and a sentence that is the same {} for all of them {}'"
    for place in range(3):
        words = [long.format(*("xy"[i == place and arm] for i in range(3))) for arm in range(2)]
        assert len({without_hash(name) for name in names(f"template.user={','.join(words)}")}) == 2
    files = "dataset.path=/data/one/train.jsonl,/data/two/train.jsonl"
    assert len({without_hash(name) for name in names("dataset=custom", files)}) == 2
    assert list(map(without_hash, names("selector={center:mean},{center:median}", "train={beta:0.1}"))) == [
        "tiny-arithmetic-ufo-10pct-center=mean-beta=0.1-s0",
        "tiny-arithmetic-ufo-10pct-center=median-beta=0.1-s0",
    ]
