"""Encodings, containers, ends of lines: what may be wrong with any text file."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from collections.abc import Callable
from random import Random

from tests.file_mistakes.made import Made, Maker, Row, any_text, one_line_each, parquet, table_of


def _in_bytes(change: Callable[[str], bytes]) -> Maker:
    def make(random: Random, rows: list[Row]) -> Made:
        suffix, text = any_text(random, rows)
        return Made(suffix, change(text), None)

    return make


def _zipped(text: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("rows", text)
    return stream.getvalue()


def _byte_in_a_line(byte: bytes) -> Maker:
    def make(random: Random, rows: list[Row]) -> Made:
        suffix, text = any_text(random, one_line_each(rows))
        lines = text.encode().split(b"\n")
        at = random.randrange(1, len(rows))
        lines[at] = (
            lines[at].replace(b": ", b": " + byte, 1)
            if suffix == ".csv"
            else lines[at].replace(b'": "', b'": "' + byte, 1)
        )
        return Made(suffix, b"\n".join(lines), None, f":{at + 1}: ")

    return make


def parquet_by_another_name(random: Random, rows: list[Row]) -> Made:
    return Made(random.choice([".csv", ".jsonl"]), parquet(table_of(rows)), None)


def text_named_parquet(random: Random, rows: list[Row]) -> Made:
    return Made(".parquet", any_text(random, rows)[1].encode(), None)


def line_ends_of_others(random: Random, rows: list[Row]) -> Made:
    rows = one_line_each(rows)  # Python's writer does not quote a line feed where rows end in CR
    suffix, text = any_text(random, rows, random.choice(["\r\n", "\r"]))
    return Made(suffix, text.encode(random.choice(["utf-8", "utf-8-sig"])), rows)


def mixed_line_ends_and_blank_lines(random: Random, rows: list[Row]) -> Made:
    rows = one_line_each(rows)
    suffix, text = any_text(random, rows)
    ends = ["\n", "\r\n", "\n\n", "\r", "\n  \n"]
    return Made(suffix, "".join(line + random.choice(ends) for line in text.split("\n")[:-1]).encode(), rows)


def no_line_end_at_the_end(random: Random, rows: list[Row]) -> Made:
    suffix, text = any_text(random, rows)
    return Made(suffix, text[:-1].encode(), rows)


def marks_that_end_no_line(random: Random, rows: list[Row]) -> Made:
    marks = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"]
    rows = [(question + random.choice(marks) + "end", answer) for question, answer in rows]
    suffix, text = any_text(random, rows)
    return Made(suffix, text.encode(), rows)


def very_long_texts(random: Random, rows: list[Row]) -> Made:
    rows = [(question + "x" * random.choice([0, 140_000]), answer) for question, answer in rows[:5]]
    suffix, text = any_text(random, rows)
    return Made(suffix, text.encode(), rows)


def a_question_twice(random: Random, rows: list[Row]) -> Made:
    rows = [*rows, random.choice(rows)]
    suffix, text = any_text(random, rows)
    return Made(suffix, text.encode(), rows)


def a_text_of_a_null(random: Random, rows: list[Row]) -> Made:
    rows = [
        (question, random.choice(["NA", "N/A", "null", "NULL", "None", "nan", "NaN", "-", "inf"]))
        for question, _ in rows
    ]
    suffix, text = any_text(random, rows)
    return Made(suffix, text.encode(), rows)


def an_empty_answer(random: Random, rows: list[Row]) -> Made:
    rows = one_line_each(rows)
    at = random.randrange(1, len(rows))
    rows[at] = (rows[at][0], random.choice(["", " ", "\t"]))
    suffix, text = any_text(random, rows)
    return Made(suffix, text.encode(), None, f":{at + 1 + (suffix == '.csv')}: ")


def one_character_changed(random: Random, rows: list[Row]) -> Made:
    """One of those that give a file its form is there too often or lacks: texts may be others, their number may not."""
    suffix, text = any_text(random, rows)
    sign = random.choice(['"', ",", "\n", "\r", "{", "}", ":", "\\", "[", ";"])
    places = [at for at, char in enumerate(text[:-1]) if char == sign]
    at = random.randrange(len(text))
    if places and random.random() < 0.5:
        at = random.choice(places)
        text = text[:at] + text[at + 1 :]
    else:
        text = text[:at] + sign + text[at:]
    return Made(suffix, text.encode(), rows, is_either=True, has_texts=False)


MAKERS: dict[str, Maker] = {
    "utf16_with_a_mark": _in_bytes(lambda text: text.encode("utf-16")),
    "utf16_big_endian": _in_bytes(lambda text: b"\xfe\xff" + text.encode("utf-16-be")),
    "utf16_without_a_mark": _in_bytes(lambda text: text.encode("utf-16-le")),
    "utf32": _in_bytes(lambda text: text.encode("utf-32")),
    "gzip_inside": _in_bytes(lambda text: gzip.compress(text.encode())),
    "bzip2_inside": _in_bytes(lambda text: bz2.compress(text.encode())),
    "zip_inside": _in_bytes(_zipped),
    "nothing_inside": _in_bytes(lambda text: b""),
    "blank_lines_alone": _in_bytes(lambda text: b"\n \n\r\n"),
    "a_mark_alone": _in_bytes(lambda text: b"\xef\xbb\xbf"),
    "git_lfs_pointer": _in_bytes(lambda text: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
    "latin1_byte": _byte_in_a_line(b"\xe9"),
    "nul_byte": _byte_in_a_line(b"\0"),
    **{
        made.__name__: made
        for made in (
            parquet_by_another_name,
            text_named_parquet,
            line_ends_of_others,
            mixed_line_ends_and_blank_lines,
            no_line_end_at_the_end,
            marks_that_end_no_line,
            very_long_texts,
            a_question_twice,
            a_text_of_a_null,
            an_empty_answer,
            one_character_changed,
        )
    },
}
