"""A dataset of the user's own: one JSONL, CSV or Parquet file and a column mapping."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ufo_rl.dataset.rows import ColumnMapping, to_pool
from ufo_rl.files.rows import SUFFIXES, check_file, read_rows
from ufo_rl.records import Pool


@dataclass(frozen=True)
class CustomDataset:
    """Rows of one file; `path` is relative to the folder the command was started in. Columns: see `ColumnMapping`; `columns`
    are those that prompts carry besides, None for all others of the file."""

    path: str | None
    question: str
    answer: str
    solution: str | None
    level: str | None
    subject: str | None
    question_pattern: str | None
    answer_pattern: str | None
    answer_boxed: bool
    strip_thousands: bool
    columns: list[str] | None

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError(f"path={self.path or 'null'} must name a file ending in {', '.join(SUFFIXES)}")
        self._columns()

    def load(self, data: Path | None = None) -> Pool:
        """The pool of the file. Raises UserError for a missing or unreadable file and for unknown columns."""
        path, columns = Path(str(self.path)).expanduser(), self._columns()
        check_file(f"path={self.path}", path)
        rows = read_rows(path, columns.paths(), with_others=self.columns is None)
        return to_pool(rows, columns, str(path))

    def _columns(self) -> ColumnMapping:
        return ColumnMapping(
            question=self.question,
            answer=self.answer,
            question_pattern=self.question_pattern,
            answer_pattern=self.answer_pattern,
            answer_boxed=self.answer_boxed,
            solution=self.solution,
            level=self.level,
            subject=self.subject,
            strip_thousands=self.strip_thousands,
            carried=self.columns,
        )
