"""Worked examples that each question of a benchmark draws for itself."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from ufo_rl.config.schema import Config, Shot
from ufo_rl.errors import Problems, UserError
from ufo_rl.experiment.data import load_dataset


def drawn_shots(name: str, config: Config) -> dict[str, list[Shot]]:
    """The examples of each question by its id, {} where a benchmark draws none.

    As lm-evaluation-harness 0.4.13 draws them (its default sampler, seed 1234): one generator of random numbers goes through
    the questions in the order of their file, so that a subset shows what the whole benchmark shows. A question is no
    example of its own. UserError where there are too few, or one has no solution.
    """
    benchmark = config.eval[name]
    drawn = benchmark.drawn_shots
    if drawn is None:
        return {}
    key = f"eval.{name}.drawn_shots"
    examples = load_dataset(drawn.dataset, f"{key}.dataset", config).prompts
    questions = load_dataset(benchmark.dataset, f"eval.{name}.dataset", config).prompts
    if bare := [prompt.id for prompt in examples if not prompt.solution]:
        raise UserError(f"{key}.dataset: {len(bare)} of {len(examples)} rows have no solution to show, first {bare[0]}")
    shown = {prompt.id: Shot(prompt.question, prompt.solution) for prompt in examples}
    ids = list(shown)
    if len(examples) <= drawn.num:
        raise UserError(f"{key}.num={drawn.num}: {len(examples)} rows are too few to draw from; take fewer")
    rng, shots = Random(drawn.seed), {}
    for prompt in questions:
        found = [one for one in rng.sample(ids, drawn.num + (prompt.id in shown)) if one != prompt.id]
        shots[prompt.id] = [shown[one] for one in found[: drawn.num]]
    return shots


def check_shots(config: Config, names: Iterable[str]) -> None:
    """UserError with every problem of the benchmarks that draw examples."""
    problems = Problems()
    for name in names:
        problems.attempt(drawn_shots, name, config)
    problems.raise_any()
