"""The nouns that cross stage borders."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def prompt_id(question: str) -> str:
    """16 hex digits of the SHA-256 of the question after NFC and strip: the same text has the same id everywhere."""
    text = unicodedata.normalize("NFC", question).strip()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_NO_COLUMNS: dict[str, Any] = {}  # one for all: a pool of a million prompts has not as many empty dicts


# Names that a prompt has of its own: no column that a dataset brings besides may be called so.
TEXTS = ("question", "answer", "solution", "level", "subject")
OWN = ("id", *TEXTS)


@dataclass(frozen=True)
class Reference:
    """What a completion is graded against: the reference answer, and the columns that the dataset brought besides."""

    answer: str
    columns: Mapping[str, Any] = field(default_factory=lambda: _NO_COLUMNS, hash=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question with its reference answer. `level` and `subject` are labels for tables, "" if unknown; `columns` is
    what else the dataset knows of it (values that JSON can hold): graders, rewards and selectors get it by name."""

    id: str
    question: str
    answer: str
    solution: str = ""
    level: str = ""
    subject: str = ""
    columns: Mapping[str, Any] = field(default_factory=lambda: _NO_COLUMNS, hash=False)

    @property
    def reference(self) -> Reference:
        return Reference(self.answer, self.columns)


@dataclass(frozen=True)
class Drop:
    """A row that left the pool, and why. `where` is file:line or a row number of the source."""

    reason: str
    where: str
    detail: str


@dataclass
class Pool:
    """Prompts in source order, unique by id, and everything that was dropped on the way.

    source: the file or hub name, for messages. places: where each prompt stands in it, such as `mine.jsonl:7`; [] where
    that says nothing. unusable: rows that cannot become prompts, each with its place and why; a pool that has some is
    refused.
    """

    prompts: list[Prompt]
    drops: list[Drop] = field(default_factory=list)
    num_rows: int = 0
    places: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    source: str = ""


@dataclass(frozen=True)
class Graded:
    """The verdict on one completion.

    `extracted` is the final answer found in it ("" if none), `method` what decided (`exact`, `number`, `math_verify`,
    `none`), `reason` why it counts as wrong where that is not a plain difference (`unparsed`, `timeout: ...`,
    `stalled: ...`).
    """

    correct: bool
    extracted: str
    method: str
    reason: str = ""


@dataclass(frozen=True)
class AnswerForm:
    """The form of an answer: what stands before and behind the final one, and what the prompt itself holds of it already.

    begun: the end of the prompt, from the first mark of the form on, such as `<think>\n`; "" where there is none. think: the
    marks around reasoning. is_thinking: the prompt leaves reasoning open. is_answering: it leaves the final answer open.
    """

    prefix: str = "<answer> "
    suffix: str = "</answer>"
    begun: str = ""
    think: tuple[str, str] = ("<think>", "</think>")
    is_thinking: bool = False
    is_answering: bool = False

    @property
    def has_tags(self) -> bool:
        """Reasoning in its tags, then the answer in its own; other forms ask for the answer's marks alone."""
        return self.prefix.strip() == "<answer>"

    @property
    def opened(self) -> str:
        """What a completion lacks of an answer that the prompt begins: graders read it with this in front."""
        return self.begun if self.is_answering else ""


@dataclass(frozen=True)
class Completion:
    """What an engine generated for one prompt: `ids` with the end token; `finish` is `stop` or `length` (cut)."""

    text: str
    ids: list[int]
    finish: str


@dataclass(frozen=True)
class Fact:
    """What a part (selector, signal, reward, grader, dataset) wants shown of a run.

    It becomes `facts` of metrics.json; `column` is its heading in `ufo-rl compare` (None: no column), `text` a line of the
    run's summary (None: no line). `value` is what JSON can hold.
    """

    key: str
    value: Any
    column: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class RunView:
    """What a part is shown for its optional method `facts(view) -> Iterable[Fact]`, when all stages of a run have ended:
    the columns of the pool and its signals (numpy), the kept ids, and metrics.json as far as it goes."""

    columns: Mapping[str, Any]
    kept: Sequence[str]
    metrics: Mapping[str, Any]
