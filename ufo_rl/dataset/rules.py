"""Problems of the second lab: chains of letter operators, each letter standing for one rule that its grader wants.

A question reads `47a5b3=?` and is worked from left to right: `47+5=52;52-3=49`, where thinking names each rule by its
symbol. A world says which rule every letter stands for, and by which rules the corpus of pre-training used it: `mastered`
letters nearly always by the graded one, `zone` letters by the graded one in a share of the rows and by a rival in the rest,
`hopeless` letters by another only, for theirs was never taught. What reinforcement learning has to find out is which known
rule the grader wants, letter by letter: skills that do not help one another, so that it matters which prompts it sees.

Balanced: zone letters come in mirrored pairs (one graded by A with the rival B, one the other way round) and every rule is
as often taught by mastered and by hopeless letters, so no drift of the rules' overall frequencies helps. The graded rule is
the rarer one of half of the zone letters and the more frequent one of the others, so no habit of preferring either helps.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from random import Random
from typing import ClassVar

from ufo_rl.dataset.generated import Generated, is_of
from ufo_rl.records import Prompt, prompt_id

# On x in 0..99 and y in 1..9: plus and minus y, plus and minus 10 y (all modulo 100), y for the units, y for the tens.
TAUGHT: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda x, y: (x + y) % 100,
    "-": lambda x, y: (x - y) % 100,
    ">": lambda x, y: (x + 10 * y) % 100,
    "<": lambda x, y: (x - 10 * y) % 100,
    "_": lambda x, y: x // 10 * 10 + y,
    "^": lambda x, y: 10 * y + x % 10,
}
NEVER_TAUGHT = "*"
RULES = {**TAUGHT, NEVER_TAUGHT: lambda x, y: x * y % 100}

KINDS: tuple[str, ...] = ("mastered", "zone", "hopeless")
LEVELS = (1, 2, 3)
MASTERED_SHARES = (0.97, 1.0)  # of the corpus' rows by the graded rule: of each rule's first letter, and its second
# Of the corpus' rows by the graded rule: of a pair of letters each, as far below one half as above.
ZONE_SHARES = tuple(0.5 + side * (0.11 + 0.02 * place) for side in (-1, 1) for place in range(7))


@dataclass(frozen=True)
class Letter:
    """graded: the symbol of the rule that counts. taught: the rules by which the corpus uses the letter, and their shares."""

    kind: str
    graded: str
    taught: Mapping[str, float]


@cache
def world(seed: int) -> Mapping[str, Letter]:
    """The letters of a world: 12 mastered, 28 of the zone, 6 hopeless."""
    random, symbols = Random(f"world/{seed}"), list(TAUGHT)
    names = list(string.ascii_letters)
    random.shuffle(names)
    letters = []
    for turn, share in enumerate(MASTERED_SHARES):
        for place, symbol in enumerate(symbols):
            rival = symbols[(place + 1 + turn) % len(symbols)]
            letters.append(Letter("mastered", symbol, {symbol: share, rival: 1 - share}))
    pairs = random.sample(list(combinations(symbols, 2)), len(ZONE_SHARES))
    for share, pair in zip(ZONE_SHARES, pairs, strict=True):
        letters += [Letter("zone", one, {one: share, other: 1 - share}) for one, other in (pair, pair[::-1])]
    letters += [Letter("hopeless", NEVER_TAUGHT, {symbol: 1.0}) for symbol in symbols]
    return dict(zip(names, letters, strict=False))


@dataclass(frozen=True)
class Chain:
    """A number 0..99 and then letters, each with its digit 1..9."""

    start: int
    terms: tuple[tuple[str, int], ...]

    @property
    def question(self) -> str:
        """The text a model sees."""
        return f"{self.start}" + "".join(f"{name}{digit}" for name, digit in self.terms) + "=?"

    def worked(self, rule_of: Mapping[str, str]) -> tuple[str, int]:
        """The steps and the result, with the rule's symbol for each letter: `47+5=52;52-3=49`, 49."""
        value, steps = self.start, []
        for name, digit in self.terms:
            symbol = rule_of[name]
            result = RULES[symbol](value, digit)
            steps.append(f"{value}{symbol}{digit}={result}")
            value = result
        return ";".join(steps), value

    def kind(self, letters: Mapping[str, Letter]) -> str:
        """hopeless with any hopeless letter, else zone1, zone2 or zone3 by the number of its zone letters, else mastered."""
        kinds = [letters[name].kind for name, _ in self.terms]
        if "hopeless" in kinds:
            return "hopeless"
        return f"zone{kinds.count('zone')}" if "zone" in kinds else "mastered"


def draw(letters: Mapping[str, Letter], level: int, kinds: Mapping[str, float], random: Random) -> Chain:
    """A chain of `level` letters: the kind of each by the weights of `kinds`, then any letter of it."""
    start, terms = random.randrange(100), []
    for kind in random.choices(list(kinds), list(kinds.values()), k=level):
        name = random.choice([name for name, letter in letters.items() if letter.kind == kind])
        terms.append((name, random.randint(1, 9)))
    return Chain(start, tuple(terms))


def stream(
    letters: Mapping[str, Letter], level: int, kinds: Mapping[str, float], split: str, random: Random
) -> Iterator[Chain]:
    """Endless chains of one level and split, with repetitions."""
    while True:
        chain = draw(letters, level, kinds, random)
        if is_of(split, chain.question):
            yield chain


@dataclass(frozen=True)
class Rules(Generated):
    """Chains of letter operators of one world; a level is the number of letters, the subject a chain's kind.

    kinds: weight of mastered, zone and hopeless letters; each letter's kind is drawn by itself.
    """

    world: int
    kinds: dict[str, float]

    known_levels: ClassVar = LEVELS

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if unknown := sorted(set(self.kinds) - set(KINDS)):
            problems.append(f"kinds: {unknown} unknown; choose from {list(KINDS)}")
        if min(self.kinds.values(), default=0) < 0 or not sum(self.kinds.values()) > 0:
            problems.append(f"kinds={self.kinds} must hold weights of at least 0, not all of them 0")
        return problems

    def _draws(self, level: int, random: Random) -> Iterator[Prompt]:
        letters, label = world(self.world), str(level)
        graded = {name: letter.graded for name, letter in letters.items()}
        for chain in stream(letters, level, self.kinds, self.split, random):
            steps, result = chain.worked(graded)
            yield Prompt(
                id=prompt_id(chain.question),
                question=chain.question,
                answer=str(result),
                solution=steps,
                level=label,
                subject=chain.kind(letters),
            )
