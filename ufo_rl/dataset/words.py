"""Arithmetic in words for small real models: short stories of somebody who has, gets and gives things away.

A level is a kind of sum: 1 adds or takes away numbers up to 10; 2 up to 20, one of them above 10; 3 up to 100, one of them
above 20; 4 multiplies two numbers up to 10; 5 is two steps, up to 20. Every number that a story passes through is whole and not
negative. No story belongs to two levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import ClassVar

from ufo_rl.dataset.generated import Generated, is_of
from ufo_rl.records import Prompt, prompt_id

NAMES = (
    "Ana",
    "Ben",
    "Chen",
    "Dora",
    "Emil",
    "Fatima",
    "Goran",
    "Hana",
    "Ivan",
    "Jana",
    "Kofi",
    "Lena",
    "Milo",
    "Nora",
)
THINGS = (
    "apples",
    "books",
    "cards",
    "coins",
    "cups",
    "eggs",
    "flowers",
    "pencils",
    "shells",
    "stamps",
    "stones",
    "toys",
)
BAGS = ("bags", "boxes", "baskets", "drawers", "jars")
MORE = ("finds {n} more", "gets {n} more from a friend", "buys {n} more", "is given {n} more")
LESS = ("loses {n} of them", "gives {n} of them away", "sells {n} of them", "breaks {n} of them")
NUMBERS = {1: (0, 10), 2: (10, 20), 3: (20, 100)}  # the largest is above the first of these, at most the second
TWO_STEPS = 20  # the largest number of level 5


@dataclass(frozen=True)
class Story:
    """A question, its steps as equations, and the result."""

    question: str
    steps: tuple[str, ...]
    answer: int


def _change(value: int, largest: int, random: Random) -> tuple[str, str, int]:
    """What happens to somebody's things: words, equation, how many are left."""
    is_more = value == 0 or random.random() < 0.5
    number = random.randint(1, largest if is_more else min(largest, value))
    result = value + number if is_more else value - number
    words = random.choice(MORE if is_more else LESS).format(n=number)
    return words, f"{value} {'+' if is_more else '-'} {number} = {result}", result


def changes(num_steps: int, largest: int, random: Random) -> Story:
    """Somebody has things, of which some come or go, once or twice."""
    name, things, value = random.choice(NAMES), random.choice(THINGS), random.randint(1, largest)
    sentences, steps = [f"{name} has {value} {things}."], []
    for step in range(num_steps):
        words, equation, value = _change(value, largest, random)
        sentences.append(f"{'Then ' if step else ''}{name} {words}.")
        steps.append(equation)
    return Story(f"{' '.join(sentences)} How many {things} does {name} have now?", tuple(steps), value)


def one_change(level: int, random: Random) -> Story:
    """A story of levels 1 to 3."""
    above, largest = NUMBERS[level]
    while True:
        story = changes(1, largest, random)
        if max(int(word) for word in story.steps[0].split()[::2][:2]) > above:
            return story


def bags(random: Random) -> Story:
    """Things in equal bags."""
    name, things, bag = random.choice(NAMES), random.choice(THINGS), random.choice(BAGS)
    count, each = random.randint(2, 10), random.randint(2, 10)
    question = f"{name} has {count} {bag} with {each} {things} in each. How many {things} does {name} have?"
    return Story(question, (f"{count} * {each} = {count * each}",), count * each)


KINDS: dict[int, Callable[[Random], Story]] = {
    **{level: partial(one_change, level) for level in NUMBERS},
    4: bags,
    5: partial(changes, 2, TWO_STEPS),
}


@dataclass(frozen=True)
class Words(Generated):
    """Stories of the levels in KINDS."""

    known_levels: ClassVar = tuple(KINDS)

    def _draws(self, level: int, random: Random) -> Iterator[Prompt]:
        label = str(level)
        while True:
            story = KINDS[level](random)
            if is_of(self.split, story.question):
                yield Prompt(
                    id=prompt_id(story.question),
                    question=story.question,
                    answer=str(story.answer),
                    solution="\n".join(story.steps),
                    level=label,
                )
