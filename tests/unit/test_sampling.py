"""Pass rates: when adaptive mode leaves a prompt, and finished completions in place of samples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ufo_rl.errors import UserError
from ufo_rl.model.engine import Sampling, sample_seed
from ufo_rl.records import Completion, Prompt, prompt_id
from ufo_rl.signals.pass_rate.draws import RISK, chance_inside, num_needed, replay, sample
from ufo_rl.signals.pass_rate.rollouts import check_rollouts, read_rollouts

K = 16
MIDDLE = [0.4, 0.6]


class Coin:
    """An engine that answers "right" with the probability that its text names, by the seed alone."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def generate(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Completion]]]:
        self.seeds += seeds
        for i, (text, seed) in enumerate(zip(texts, seeds, strict=True)):
            is_right = np.random.default_rng(seed).random() < float(text)
            yield [(i, Completion("right" if is_right else "wrong", [1, 2], "stop"))]


def sampled(rates: Sequence[float], verdicts: list[list[bool | None]], interest: list[float] | None) -> list[list[int]]:
    """The sample numbers that were drawn for each prompt, in order."""
    prompts = [(f"id{i}", str(rate), "right") for i, rate in enumerate(rates)]
    drawn: list[list[int]] = [[] for _ in rates]
    for finished in sample(prompts, verdicts, Coin(), str.__eq__, Sampling(1.0, 2), 0, interest):
        for i, one in finished:
            drawn[i].append(one.sample)
    return drawn


def test_the_chance_to_end_inside_by_hand() -> None:
    # one of two is right; of the two to come 0, 1 or 2 are right with 3/10, 4/10, 3/10 under Beta(2, 2)
    assert chance_inside(1, 2, 4, 0.5, 0.5) == pytest.approx(0.4)
    assert chance_inside(1, 2, 4, 0.5, 0.75) == pytest.approx(0.7)
    # none of four is right; 7, 8 or 9 of the 12 to come, under Beta(1, 5)
    ways = 5 * (792 / 194480 + 495 / 218790 + 220 / 194480)
    assert chance_inside(0, 4, K, *MIDDLE) == pytest.approx(ways)
    assert chance_inside(0, 4, 4, 0.0, 0.0) == 1.0


def test_without_an_interval_every_prompt_gets_all_samples() -> None:
    assert sampled([0.0, 0.5, 1.0], [[None] * K for _ in range(3)], None) == [list(range(K))] * 3


def test_adaptive_mode_leaves_the_hopeless_early_and_never_the_middle() -> None:
    never, always, even = sampled([0.0, 1.0, 0.5], [[None] * K for _ in range(3)], MIDDLE)
    assert never == always == list(range(4))
    assert even == list(range(K))


def test_prompts_that_are_left_would_have_ended_outside_but_for_the_stated_risk() -> None:
    """20,000 prompts of every difficulty; the bound holds for each decision, so for their sum."""
    rng = np.random.default_rng(0)
    correct = rng.random((20_000, K)) < rng.random((20_000, 1))
    taken = np.array([_taken(row.tolist()) for row in correct])
    is_left, rate = taken < K, correct.mean(1)
    is_inside = (rate >= MIDDLE[0]) & (rate <= MIDDLE[1])
    assert 0 < is_inside[is_left].mean() < RISK
    assert taken.mean() < 0.8 * K  # and it saves samples


def _taken(correct: list[bool]) -> int:
    verdicts: list[bool | None] = [None] * K
    while (n := num_needed(verdicts, MIDDLE)) and verdicts[n - 1] is None:
        verdicts[:n] = correct[:n]
    return n


def test_what_is_stored_is_not_drawn_again_and_decides_the_same() -> None:
    """A prompt with all 16 samples stored counts the 4 that adaptive mode would have drawn, and draws none."""
    assert num_needed([False] * K, MIDDLE) == 4
    drawn = sampled([0.5], [[True, None, False, None] + [None] * 12], None)
    assert drawn == [[1, 3, *range(4, K)]]


def test_seeds_belong_to_prompt_and_sample() -> None:
    coin = Coin()
    list(sample([("a", "0.5", "right")], [[None] * 2], coin, str.__eq__, Sampling(1.0, 2), 7, None))
    assert coin.seeds == [sample_seed(7, "a", 0), sample_seed(7, "a", 1)]


def rollout_file(folder: Path, *rows: object) -> Path:
    path = folder / "rollouts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rollouts_are_found_by_question_or_id_and_come_in_their_order(tmp_path: Path) -> None:
    path = rollout_file(
        tmp_path,
        {"question": "1+1=?", "completions": ["two", "2"]},
        {"id": prompt_id("2+2=?"), "completion": "later", "sample": 1},
        {"id": prompt_id("2+2=?"), "completion": "first", "sample": 0},
    )
    found = read_rollouts(path)
    assert found.completions == {prompt_id("1+1=?"): ["two", "2"], prompt_id("2+2=?"): ["first", "later"]}
    path.write_text(path.read_text().replace("later", "other"))
    assert read_rollouts(path).key != found.key


def test_rollouts_are_graded_without_an_engine() -> None:
    verdicts: list[list[bool | None]] = [[None] * 2]
    got = [item for one in replay(["2"], verdicts, [["two", "2"]], str.__eq__, None) for item in one]
    assert verdicts == [[False, True]]
    assert [(i, one.sample, one.correct, one.truncated, one.generated_tokens) for i, one in got] == [
        (0, 0, False, None, 0),
        (0, 1, True, None, 0),
    ]


def test_too_few_rollouts_are_told_with_the_cure(tmp_path: Path) -> None:
    prompts = [Prompt(prompt_id(q), q, "2") for q in ("1+1=?", "3-1=?")]
    rollouts = read_rollouts(rollout_file(tmp_path, {"question": "1+1=?", "completions": ["a", "b", "c"]}))
    with pytest.raises(UserError, match=r"1 of 2 prompts have fewer .*num_samples=3 .*\(the fewest: 0\); name a file"):
        check_rollouts(rollouts, prompts, 3)
    with pytest.raises(UserError, match=r"fewest: 3\); set signal.pass_rate.num_samples=3"):
        check_rollouts(rollouts, prompts[:1], 16)
    check_rollouts(rollouts, prompts[:1], 3)


def test_a_sample_that_stands_twice_counts_once_and_a_gap_is_told(tmp_path: Path) -> None:
    rows = [{"id": "a", "completion": text, "sample": k} for k, text in ((0, "x"), (0, "x"), (1, "y"))]
    assert read_rollouts(rollout_file(tmp_path, *rows)).completions == {"a": ["x", "y"]}
    with pytest.raises(UserError, match="prompt a has 2 samples, and their numbers are not 0 to 1"):
        read_rollouts(rollout_file(tmp_path, rows[0], {"id": "a", "completion": "z", "sample": 3}))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"id": "a", "completion": "x", "sample": "x"}, "sample=x is no whole number"),
        ({"id": "a", "completion": "x", "sample": math.nan}, "sample=nan is no whole number"),
        ({"completion": "x"}, "no id and no question"),
        ({"id": "a"}, "no completion"),
        ({"id": "a", "completions": "text"}, "no completion"),
        ("text", "no object"),
    ],
)
def test_rows_that_are_no_rollouts_are_named(tmp_path: Path, row: object, problem: str) -> None:
    with pytest.raises(UserError, match=rf"rollouts.jsonl:1: .*{problem}"):
        read_rollouts(rollout_file(tmp_path, row))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"signal.pass_rate.rollouts=.*no such file"):
        read_rollouts(tmp_path / "none.jsonl")
