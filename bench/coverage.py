"""How often the 95 % intervals of ufo_rl/stats hold what they promise, and how often a whole comparison says something false.

    python bench/coverage.py [--repeats 2000]

Questions have a difficulty each (a beta distribution about the mean p), seeds of an arm a level of their own (normal, 3
points); an answer is right with the chance of its question at that level. Writes coverage.json: for each method, number of
questions n, accuracy p and number of seeds the share of intervals that held the truth, and how many answers differed; for
blocks of 1 to 16 arms that are all alike the share of blocks with a false verdict."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ufo_rl.files.environment import hardware, versions
from ufo_rl.report.comparing.judgement import Comparison, verdicts
from ufo_rl.stats.bootstrap import clustered_bootstrap
from ufo_rl.stats.intervals import paired_difference, wilson
from ufo_rl.stats.seeds import mean_over_seeds, over_seeds_and_questions

HERE = Path(__file__).resolve().parent
QUESTIONS, SHARES, SEEDS = (30, 100, 500, 2000), (0.02, 0.1, 0.5, 0.9, 0.98), (3, 5, 10)
GAP = 0.03  # between the arms, of questions that are neither always solved nor never
SPREAD = 0.03  # of the seeds' levels
CONCENTRATION = 2.0  # of the difficulties: many questions are nearly always or nearly never solved
ARMS = (1, 4, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    options = parser.parse_args()
    rows = []
    for n, p in itertools.product(QUESTIONS, SHARES):
        for row in cells(n, p, options.repeats):
            rows.append(row)
            sys.stdout.write(f"{json.dumps(row)}\n")
            sys.stdout.flush()
    false = [blocks(arms, seeds, options.repeats // 4) for arms, seeds in itertools.product(ARMS, SEEDS)]
    about = {
        "hardware": hardware(),
        "versions": {"python": versions()["python"]},
    }
    found = {**about, "repeats": options.repeats, "coverage": rows, "false_verdicts": false}
    (HERE / "coverage.json").write_text(json.dumps(found, indent=1) + "\n")


def cells(n: int, p: float, repeats: int) -> Iterator[dict[str, Any]]:
    """Every method at this size."""
    random = np.random.default_rng([n, round(1000 * p)])
    yield {"method": "wilson", "n": n, "p": p, "seeds": 1, "coverage": exact_wilson(n, p), "changed": None}
    yield {"method": "paired_difference", "n": n, "p": p, "seeds": 1, **questions_alone(n, p, repeats, random)}
    yield {"method": "clustered_bootstrap", "n": n, "p": p, "seeds": 1, **samples(n, p, repeats // 2, random)}
    for seeds in SEEDS:
        yield {"method": "mean_over_seeds", "n": n, "p": p, "seeds": seeds, **over_seeds(n, p, seeds, repeats, random)}
        yield {
            "method": "over_seeds_and_questions",
            "n": n,
            "p": p,
            "seeds": seeds,
            **both(n, p, seeds, repeats, random),
        }


def exact_wilson(n: int, p: float) -> float:
    from scipy.stats import binom

    held = [low <= p <= high for low, high in (wilson(k, n) for k in range(n + 1))]
    return float(binom.pmf(np.arange(n + 1), n, p) @ np.array(held))


def difficulties(n: int, p: float, random: np.random.Generator) -> np.ndarray:
    return random.beta(CONCENTRATION * p, CONCENTRATION * (1 - p), n)


def better(chance: np.ndarray) -> np.ndarray:
    """The chances of an arm that is better where there is room: the truth of its gap is the mean of 4 GAP c (1 - c)."""
    return chance + 4 * GAP * chance * (1 - chance)


def questions_alone(n: int, p: float, repeats: int, random: np.random.Generator) -> dict[str, float]:
    """Two trainings, other questions of the kind."""
    many = difficulties(2_000_000, p, np.random.default_rng(0))
    truth, held, changed = float((better(many) - many).mean()), 0, 0
    for _ in range(repeats):
        chance = difficulties(n, p, random)
        a, b = (random.random(n) < chance).astype(int), (random.random(n) < better(chance)).astype(int)
        found = paired_difference(a, b)
        held, changed = held + (found.low <= truth <= found.high), changed + int((a != b).sum())
    return {"coverage": held / repeats, "changed": changed / repeats}


def samples(n: int, p: float, repeats: int, random: np.random.Generator) -> dict[str, float]:
    """avg@8 of one model, other questions of the kind."""
    held = 0
    for _ in range(repeats):
        values = random.binomial(8, difficulties(n, p, random)) / 8
        low, high = clustered_bootstrap(values, 0, 2000)
        held += low <= p <= high
    return {"coverage": held / repeats, "changed": n * p}


def arms_of_seeds(chance: np.ndarray, seeds: int, random: np.random.Generator) -> np.ndarray:
    """(seeds, n) verdicts of trainings whose level differs."""
    level = random.normal(0, SPREAD, (seeds, 1)) * 4 * chance * (1 - chance)
    return random.random((seeds, len(chance))) < np.clip(chance + level, 0, 1)


def over_seeds(n: int, p: float, seeds: int, repeats: int, random: np.random.Generator) -> dict[str, float]:
    """The same questions, another training: the gap between two arms on them."""
    held, changed = 0, 0
    for _ in range(repeats):
        chance = difficulties(n, p, random)
        truth = float((better(chance) - chance).mean())
        a, b = arms_of_seeds(chance, seeds, random), arms_of_seeds(better(chance), seeds, random)
        found = mean_over_seeds((b.mean(axis=1) - a.mean(axis=1)).tolist(), 1 / n)
        held, changed = held + (found.low <= truth <= found.high), changed + int((a != b).sum())
    return {"coverage": held / repeats, "changed": changed / repeats}


def both(n: int, p: float, seeds: int, repeats: int, random: np.random.Generator) -> dict[str, float]:
    """Other questions and another training."""
    many = difficulties(2_000_000, p, np.random.default_rng(0))
    truth, held, changed = float((better(many) - many).mean()), 0, 0
    for _ in range(repeats):
        chance = difficulties(n, p, random)
        a, b = arms_of_seeds(chance, seeds, random), arms_of_seeds(better(chance), seeds, random)
        found = over_seeds_and_questions(b.astype(float) - a)
        held, changed = held + (found.low <= truth <= found.high), changed + int((a != b).sum())
    return {"coverage": held / repeats, "changed": changed / repeats}


def blocks(arms: int, seeds: int, repeats: int) -> dict[str, Any]:
    """How often at least one verdict of a block is false where all arms are alike."""
    random, false, n = np.random.default_rng([arms, seeds]), 0, 500
    chance = difficulties(n, 0.5, random)
    for _ in range(repeats):
        right = [arms_of_seeds(chance, seeds, random).astype(int) for _ in range(arms + 1)]
        comparisons = [
            Comparison(
                [paired_difference(a, b) for a, b in zip(right[0], own, strict=True)], float((right[0] != own).sum()), n
            )
            for own in right[1:]
        ]
        false += any(one.words.split()[0] in ("better", "worse") for one in verdicts(comparisons))
    return {"arms": arms, "seeds": seeds, "questions": n, "blocks": repeats, "false": false / repeats}


if __name__ == "__main__":
    main()
