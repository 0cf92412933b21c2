"""Which prompts of a pool are questions of a benchmark: shared n-grams, and the same text but for its marks."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ufo_rl.records import Prompt

WORDS_AND_SYMBOLS = re.compile(r"\w+|[^\w\s]")

# A LaTeX command or escape, a number, letters (each alone outside ASCII), dots, any other mark.
PARTS = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)*|\.\d+|[A-Za-z]+|\.{2,}|\S", re.DOTALL)
WORD = re.compile(r"[A-Za-z]{3,}|[\u3400-\u9fff]")
SINGLE_SCRIPT = re.compile(r"([\^_])\s*\{\s*([A-Za-z0-9])\s*\}")
DIGITS = re.compile(r"[^0-9]+")

# Spacing, delimiters of formulas and sizes of brackets: they change how a text looks, never what it says.
LAYOUT = {"$", ".", "`", r"\$", r"\(", r"\)", r"\[", r"\]", r"\left", r"\right", r"\big", r"\Big", r"\bigg", r"\Bigg"}
LAYOUT |= {r"\,", r"\;", r"\:", r"\!", r"\>", "\\ ", "\\\n", r"\quad", r"\qquad", r"\displaystyle"}
BETWEEN = frozenset(",;:?~")  # mathematics between two symbols: (1,2), 3:4
AFTER = frozenset("!'\"")  # mathematics behind a symbol: 5!, f'
SAME_MARK = str.maketrans(
    {
        "\u2212": "-",
        "\u2010": "-",
        "\u2018": "'",
        "\u2019": "'",
        "\u2032": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u3002": ". ",
        "\u3001": ",",
        "\u200b": "",
        "\ufeff": "",
        "\u00ad": "",
    }
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt that holds a test question. `containment` is None for a question of fewer tokens than an n-gram has."""

    question_id: str
    prompt_id: str
    containment: float | None
    is_exact: bool

    def describe(self, benchmark: str, ngram: int) -> str:
        found = "exact" if self.is_exact else f"{ngram}-gram containment {self.containment:.2f}"
        return f"{benchmark} {self.question_id}: {found}"


@dataclass(frozen=True)
class Overlap:
    """One benchmark against the pool: `pairs` in the order of the questions, then of the pool."""

    num_questions: int
    pairs: list[Pair]

    @property
    def hit_questions(self) -> set[str]:
        return {pair.question_id for pair in self.pairs}

    @property
    def exact_questions(self) -> set[str]:
        return {pair.question_id for pair in self.pairs if pair.is_exact}

    @property
    def hit_prompts(self) -> set[str]:
        return {pair.prompt_id for pair in self.pairs}

    def describe(self) -> str:
        """For example: 14 of 500 questions (5 exact)"""
        return f"{len(self.hit_questions)} of {self.num_questions} questions ({len(self.exact_questions)} exact)"


def find_overlaps(
    prompts: Iterable[Prompt], benchmarks: Mapping[str, Sequence[Prompt]], ngram: int, threshold: float
) -> dict[str, Overlap]:
    """The overlap of a pool with each benchmark, in one pass over the pool.

    A prompt holds a question when it has at least the share `threshold` of the question's distinct n-grams of `ngram`
    tokens (words and symbols in lower case), or when both have one `normal_form`. A question of fewer tokens than
    `ngram` is found by the latter alone.
    """
    index = _Index(benchmarks, ngram)
    found: list[tuple[int, Pair]] = []
    for prompt in prompts:
        found += index.pairs(prompt, threshold)
    found.sort(key=lambda numbered: numbered[0])
    pairs: dict[str, list[Pair]] = {name: [] for name in benchmarks}
    for number, pair in found:
        pairs[index.questions[number][0]].append(pair)
    return {name: Overlap(len(questions), pairs[name]) for name, questions in benchmarks.items()}


def normal_form(text: str) -> str:
    """The text without letter case, white space and punctuation, as far as mathematics stays what it is.

    Kept are decimal points, a space between two numbers, the case of capitals (`AB`, `\\Delta`) and marks beside
    symbols: the commas of `(1,2)`, the colon of `3:4`, factorials and primes. Beside words (three letters or more) and
    at the ends of the text they go. Quotes and minus signs of all kinds are one; `x^{2}` is `x^2`, as is a raised 2.
    """
    tokens = [token for token in PARTS.findall(_unified(text)) if token not in LAYOUT]
    is_before_symbol, is_symbol = [False] * len(tokens), False
    for place in reversed(range(len(tokens))):
        is_before_symbol[place] = is_symbol
        if tokens[place] not in BETWEEN and tokens[place] not in AFTER:
            is_symbol = not WORD.fullmatch(tokens[place])
    kept: list[str] = []
    for token, is_followed in zip(tokens, is_before_symbol, strict=True):
        is_behind_symbol = bool(kept) and not WORD.fullmatch(kept[-1])
        if (token in BETWEEN and not (is_behind_symbol and is_followed)) or (token in AFTER and not is_behind_symbol):
            continue
        if kept and _would_merge(kept[-1], token):
            kept.append(" ")
        kept.append(token if token.isupper() or token[0] == "\\" else token.casefold())
    return "".join(kept)


def _unified(text: str) -> str:
    """NFKC with raised and lowered signs marked as such, and one sign for each kind of quote and minus."""
    if not text.isascii():
        parts = groupby(text.translate(SAME_MARK), _kind)
        text = unicodedata.normalize("NFKC", "".join(_marked(kind, "".join(chars)) for kind, chars in parts))
        text = text.translate(SAME_MARK)
    return SINGLE_SCRIPT.sub(r"\1\2 ", text)


def _kind(char: str) -> str:
    return unicodedata.decomposition(char).partition(">")[0]


def _marked(kind: str, chars: str) -> str:
    """NFKC alone would turn a raised 2 behind x into the name x2, and one half behind 3 into the number 31/2."""
    if kind == "<super":
        return f"^{{{chars}}}"
    if kind == "<sub":
        return f"_{{{chars}}}"
    return f" {chars} " if kind == "<fraction" else chars


def _would_merge(left: str, right: str) -> bool:
    """Two numbers, or a command and letters, would read as one without the space between them."""
    if left[0] == "\\":
        return left[-1].isalpha() and right[0].isalpha()
    return left[-1].isdigit() and (right[0].isdigit() or right[0] == ".")


class _Index:
    """The n-grams and normal forms of all questions, each with the places of its questions."""

    def __init__(self, benchmarks: Mapping[str, Sequence[Prompt]], ngram: int) -> None:
        self.ngram = ngram
        self.questions: list[tuple[str, str, int]] = []  # benchmark, id, number of distinct n-grams
        self.grams: dict[tuple[str, ...], list[int]] = {}
        self.forms: dict[str, list[int]] = {}
        for name, questions in benchmarks.items():
            for question in questions:
                number, grams = len(self.questions), set(self._grams(question.question))
                self.questions.append((name, question.id, len(grams)))
                for gram in grams:
                    self.grams.setdefault(gram, []).append(number)
                if form := normal_form(question.question):
                    self.forms.setdefault(form, []).append(number)
        self.digits = {_digits(question.question) for questions in benchmarks.values() for question in questions}

    def pairs(self, prompt: Prompt, threshold: float) -> list[tuple[int, Pair]]:
        """The questions that the prompt holds: place and pair."""
        known = self.grams
        shared: Counter[int] = Counter()
        for gram in {gram for gram in self._grams(prompt.question) if gram in known}:
            shared.update(known[gram])
        exact: Sequence[int] = ()
        if _digits(prompt.question) in self.digits:  # cheap, and never different in two texts of one normal form
            exact = self.forms.get(normal_form(prompt.question), ())
        hits = {number for number, count in shared.items() if count / self.questions[number][2] >= threshold}
        found = []
        for number in sorted(hits.union(exact)):
            _, question_id, num_grams = self.questions[number]
            containment = shared[number] / num_grams if num_grams else None
            found.append((number, Pair(question_id, prompt.id, containment, number in exact)))
        return found

    def _grams(self, text: str) -> Iterable[tuple[str, ...]]:
        tokens = WORDS_AND_SYMBOLS.findall(text.lower())
        return zip(*(tokens[start:] for start in range(self.ngram)), strict=False)


def _digits(text: str) -> str:
    return DIGITS.sub("", text if text.isascii() else unicodedata.normalize("NFKC", text))
