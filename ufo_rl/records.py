"""The nouns that cross stage borders."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field


class UserError(Exception):
    """A mistake in what the user asked for: shown as plain text with exit status 2, never as a traceback."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class StageFailed(Exception):
    """A stage ended in an error; the message has its last words and where its log is."""


def prompt_id(question: str) -> str:
    """16 hex digits of the SHA-256 of the question after NFC and strip: the same text has the same id everywhere."""
    text = unicodedata.normalize("NFC", question).strip()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question with its reference answer. `level` and `subject` are labels for tables, "" if unknown."""

    id: str
    question: str
    answer: str
    solution: str = ""
    level: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Drop:
    """A row that left the pool, and why. `where` is file:line or a row number of the source."""

    reason: str
    where: str
    detail: str


@dataclass
class Pool:
    """Prompts in source order, unique by id, and everything that was dropped on the way."""

    prompts: list[Prompt]
    drops: list[Drop] = field(default_factory=list)
    num_rows: int = 0


@dataclass(frozen=True)
class Graded:
    """The verdict on one completion.

    `extracted` is the final answer found in it ("" if none), `method` what decided (`exact`, `number`, `math_verify`,
    `none`), `reason` why it counts as wrong where that is not a plain difference (`unparsed`, `timeout: ...`).
    """

    correct: bool
    extracted: str
    method: str
    reason: str = ""


@dataclass(frozen=True)
class Completion:
    """What an engine generated for one prompt: `ids` with the end token; `finish` is `stop` or `length` (cut)."""

    text: str
    ids: list[int]
    finish: str
