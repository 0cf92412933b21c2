"""Data files with one thing wrong each, and what is true of them: for tests/unit/test_file_mistakes.py.

Every maker gets a random generator and honest rows and returns a `Made`. What is no mistake but looks like one (a byte order
mark, CRLF, the answer "NA") is among them: it must be read to the last row.
"""

from tests.file_mistakes.comma_separated import MAKERS as CSV
from tests.file_mistakes.json_lines import MAKERS as JSON
from tests.file_mistakes.made import Maker
from tests.file_mistakes.parquet_files import MAKERS as PARQUET
from tests.file_mistakes.texts import MAKERS as TEXTS

MAKERS: dict[str, Maker] = {**TEXTS, **JSON, **CSV, **PARQUET}
