"""The second lab's problems: worlds of letters, what is promised of kinds, answers, levels and splits."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from random import Random

import pytest

from ufo_rl.dataset.generated import bucket
from ufo_rl.dataset.rules import KINDS, NEVER_TAUGHT, RULES, TAUGHT, Chain, Rules, draw, stream, world
from ufo_rl.records import Prompt

POOL = {"mastered": 0.73, "zone": 0.07, "hopeless": 0.20}
LEVELS = [1, 2, 3]


def pool(
    split: str = "train", num_prompts: int = 600, seed: int = 0, at: int = 0, kinds: dict[str, float] = POOL
) -> list[Prompt]:
    return Rules(split=split, num_prompts=num_prompts, levels=LEVELS, seed=seed, world=at, kinds=kinds).load().prompts


def test_rules_by_hand() -> None:
    found = {symbol: (rule(47, 8), rule(95, 8)) for symbol, rule in RULES.items()}
    assert found == {
        "+": (55, 3),
        "-": (39, 87),
        ">": (27, 75),  # 127, 175
        "<": (67, 15),  # -33
        "_": (48, 98),
        "^": (87, 85),
        "*": (76, 60),  # 376, 760
    }


def test_worked_example_by_hand() -> None:
    chain = Chain(47, (("a", 5), ("b", 3), ("a", 9)))
    assert chain.question == "47a5b3a9=?"
    assert chain.worked({"a": "+", "b": "-"}) == ("47+5=52;52-3=49;49+9=58", 58)
    assert chain.worked({"a": "_", "b": "^"}) == ("47_5=45;45^3=35;35_9=39", 39)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_world_favours_no_rule(seed: int) -> None:
    """So that no drift of the rules' overall frequencies helps: each symbol is wanted as often as it is the rival."""
    letters = world(seed)
    assert Counter(letter.kind for letter in letters.values()) == {"mastered": 12, "zone": 28, "hopeless": 6}
    assert all(sum(letter.taught.values()) == pytest.approx(1.0) for letter in letters.values())
    mastered = [letter for letter in letters.values() if letter.kind == "mastered"]
    assert Counter(letter.graded for letter in mastered) == dict.fromkeys(TAUGHT, 2)
    assert all(letter.taught[letter.graded] >= 0.97 for letter in mastered)
    zone = [letter for letter in letters.values() if letter.kind == "zone"]
    pairs = Counter((letter.graded, *(set(letter.taught) - {letter.graded})) for letter in zone)
    assert len(pairs) == 28 and all(pairs[rival, graded] == 1 for graded, rival in pairs)
    shares = sorted(letter.taught[letter.graded] for letter in zone)
    below = [0.27, 0.29, 0.31, 0.33, 0.35, 0.37, 0.39]
    assert shares == pytest.approx(sorted(2 * [*below, *(1 - share for share in below)], key=float))
    hopeless = [letter for letter in letters.values() if letter.kind == "hopeless"]
    assert {letter.graded for letter in hopeless} == {NEVER_TAUGHT}
    assert Counter(symbol for letter in hopeless for symbol in letter.taught) == dict.fromkeys(TAUGHT, 1)
    assert all(NEVER_TAUGHT not in letter.taught for letter in letters.values())


def test_worlds_differ_by_their_seed_and_stay_what_they_are() -> None:
    assert world(0) == world.__wrapped__(0) != world(1)
    assert {name: letter.graded for name, letter in world(0).items() if name in "MvZa"} == {
        "M": "+",
        "v": "<",
        "Z": ">",
        "a": "*",
    }


def test_kinds_by_hand() -> None:
    letters = world(0)
    easy, half, never = (next(n for n, one in letters.items() if one.kind == kind) for kind in KINDS)
    kinds = {
        (easy,): "mastered",
        (easy, half): "zone1",
        (half, half): "zone2",
        (half, half, half): "zone3",
        (half, never): "hopeless",
        (easy, never): "hopeless",
    }
    for names, kind in kinds.items():
        assert Chain(5, tuple((name, 3) for name in names)).kind(letters) == kind


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("split", ["train", "test"])
def test_answers_and_every_step_are_the_graded_rules(split: str, at: int) -> None:
    for prompt in pool(split, at=at):
        matched = re.fullmatch(r"(\d+)((?:[a-zA-Z]\d)+)=\?", prompt.question)
        assert matched
        value, steps = int(matched[1]), prompt.solution.split(";")
        names = re.findall(r"([a-zA-Z])(\d)", matched[2])
        assert len(names) == len(steps) == int(prompt.level)
        for (name, digit), step in zip(names, steps, strict=True):
            symbol = world(at)[name].graded
            left, right = step.split("=")
            assert left == f"{value}{symbol}{digit}" and 1 <= int(digit) <= 9
            value = int(right)
            assert 0 <= value <= 99 and value == RULES[symbol](int(left.split(symbol)[0]), int(digit))
        assert prompt.answer == str(value)


def test_a_pool_is_balanced_unique_and_mixed_as_asked() -> None:
    prompts = pool(num_prompts=2000)
    assert len({prompt.id for prompt in prompts}) == 2000
    assert [sum(prompt.level == str(level) for prompt in prompts) for level in LEVELS] == [667, 667, 666]
    letters = world(0)
    kinds = Counter(letters[sign].kind for prompt in prompts for sign in prompt.question if sign.isalpha())
    # 3,999 letters: 4 standard deviations of a share of 0.73 are 0.028
    assert [kinds[kind] / kinds.total() for kind in KINDS] == pytest.approx([0.73, 0.07, 0.20], abs=0.028)
    assert {prompt.subject for prompt in prompts} <= {"mastered", "zone1", "zone2", "zone3", "hopeless"}
    assert not [
        p for p in pool("test", kinds={"mastered": 0.5, "zone": 0.5, "hopeless": 0.0}) if p.subject == "hopeless"
    ]


def test_splits_share_no_question_whatever_the_seed_and_the_mixture() -> None:
    even = {"mastered": 1.0, "zone": 1.0, "hopeless": 1.0}
    train = {p.question for seed in (0, 1) for p in pool("train", 1500, seed)}
    test = {p.question for seed in (0, 1) for kinds in (POOL, even) for p in pool("test", 600, seed, kinds=kinds)}
    chains = (stream(world(0), level, even, "pretrain", Random(level)) for level in LEVELS)
    pretrain = {chain.question for of_level in chains for chain in islice(of_level, 2000)}
    assert not train & test and not train & pretrain and not test & pretrain
    assert {bucket(question) for question in test} == set(range(0, 15))
    assert {bucket(question) for question in pretrain} == set(range(60, 100))


def test_the_same_seed_keeps_a_pool_and_a_larger_one_begins_with_it() -> None:
    assert pool(num_prompts=300) == pool(num_prompts=600)[:300]
    assert pool(seed=1) != pool(seed=0) and pool(at=1) != pool(at=0)


def test_kinds_without_weight_are_never_drawn() -> None:
    letters, random = world(0), Random(0)
    drawn = [draw(letters, 3, {"mastered": 0.0, "zone": 1.0, "hopeless": 0.0}, random) for _ in range(300)]
    assert {chain.kind(letters) for chain in drawn} == {"zone3"}


@pytest.mark.parametrize(
    ("kinds", "problem"),
    [
        ({"masterd": 1.0}, r"kinds: \['masterd'\] unknown; choose from \['mastered', 'zone', 'hopeless'\]"),
        ({"mastered": 0.0, "zone": 0.0}, "kinds=.* must hold weights of at least 0, not all of them 0"),
        ({"mastered": 1.0, "zone": -0.5}, "kinds=.* must hold weights of at least 0"),
        ({}, "kinds=.* must hold weights"),
    ],
)
def test_wrong_weights_are_named(kinds: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Rules(split="train", num_prompts=5, levels=[1], seed=0, world=0, kinds=kinds)


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"split=trian .*\nnum_prompts=0 .*\nlevels=\[1, 4\].*\nkinds"):
        Rules(split="trian", num_prompts=0, levels=[1, 4], seed=0, world=0, kinds={"zones": 1.0})
