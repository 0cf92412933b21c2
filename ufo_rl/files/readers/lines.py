"""Lines of a text file, as editors count them, and what a file is that is no text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ufo_rl.errors import UserError

# How files begin that are something else than their name says, and what to do about it.
OTHERS = (
    (b"\x1f\x8b", "compressed (gzip); unpack it first"),
    (b"BZh", "compressed (bzip2); unpack it first"),
    (b"\xfd7zXZ", "compressed (xz); unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd); unpack it first"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet; unpack it, or export it as CSV in UTF-8"),
    (b"PAR1", "a Parquet file; rename it to .parquet"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file; fetch it with git lfs pull"),
)
LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # a lone CR ends a line too


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines with their ends. UserError where the file is no text in UTF-8 by its first bytes."""
    with path.open("rb") as stream:
        beginning = stream.read(32)
        for mark, what in OTHERS:
            if beginning.startswith(mark):
                raise UserError(f"{path} is {what}")
        if beginning[1:2] == b"\0" or beginning[:1] == b"\0":
            raise UserError(f"{path} is UTF-16 text or no text at all; save it as UTF-8")
        stream.seek(0)
        for line in stream:
            if b"\r" in line:
                yield from LINE.findall(line)
            else:
                yield line


def decoded(line: bytes, number: int) -> str:
    """The text of line `number` without a byte order mark. ValueError names the byte that is no UTF-8."""
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as err:
        place = len(line[: err.start].decode()) + 1
        byte = line[err.start]
        raise ValueError(f"no UTF-8 text: byte 0x{byte:02x} at character {place}; save the file as UTF-8") from err
