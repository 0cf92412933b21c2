"""Whether two answers say the same: by text, as numbers and formulas, lists, tuples, sets, intervals, matrices, equations.

`same` answers True, False, or None where neither text nor mathematics decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from ufo_rl.grader.math.formula.agreement import same_formula
from ufo_rl.grader.math.shapes.equations import same_equations
from ufo_rl.grader.math.shapes.matrices import same_cases, same_matrices
from ufo_rl.grader.math.shapes.relations import same_sets
from ufo_rl.grader.math.shapes.sequences import Same, same_sequences
from ufo_rl.grader.math.text.normal import normalise
from ufo_rl.grader.math.words.approximation import without_approximation
from ufo_rl.grader.math.words.choices import same_choice
from ufo_rl.grader.math.words.plain import same_words
from ufo_rl.grader.math.words.qualifiers import with_base
from ufo_rl.grader.math.words.units import without_words

# Parts of an answer are compared like answers, this deep.
MAX_DEPTH = 6
Rule = Callable[[str, str, Same], bool | None]
OPEN_END = re.compile(r"[-+*/^_=<>]$|^[*/^_=<>]")  # nothing stands beside an operator


def same(gold: str, answer: str, is_ordered: bool = False) -> bool | None:
    """Whether the answer is the gold; both as they stand in their sources. `is_ordered`: bare lists have an order."""
    return _same(IN_ORDER if is_ordered else RULES, 0, normalise(gold), normalise(answer))


def _same(rules: Sequence[Rule], depth: int, gold: str, answer: str) -> bool | None:
    if not gold or not answer:
        return False
    if gold == answer:
        return True
    if depth > MAX_DEPTH:
        return None
    if OPEN_END.search(gold) or OPEN_END.search(answer):
        return False
    gold, answer = (with_base(without_approximation(text)) for text in (gold, answer))
    if (len(gold) > 2 or gold.casefold() == "no") and gold.isalpha() and gold.casefold() == answer.casefold():
        return True
    same_part = partial(_same, rules, depth + 1)
    verdict = next((v for rule in rules if (v := rule(gold, answer, same_part)) is not None), None)
    if verdict is not True:
        shorter = without_words(gold), without_words(answer, gold)
        if shorter != (gold, answer) and same_part(*shorter):
            return True
    return verdict


RULES: tuple[Rule, ...] = (
    lambda gold, answer, _: same_choice(gold, answer),
    same_cases,
    same_matrices,
    same_sets,
    same_sequences,
    same_equations,
    lambda gold, answer, _: same_formula(gold, answer),
    lambda gold, answer, _: same_words(gold, answer),
)
IN_ORDER = tuple(partial(same_sequences, is_ordered=True) if rule is same_sequences else rule for rule in RULES)
