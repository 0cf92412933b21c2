"""Lines of JSON with one thing wrong in one of them, or with one thing rare."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.file_mistakes.made import Made, Maker, Row, json_text, one_line_each

NESTED = {"k": [1, 2]}


def _in_line(change: Callable[[Random, str], str], is_refused: bool = True) -> Maker:
    """The text of one line is another."""

    def make(random: Random, rows: list[Row]) -> Made:
        lines = json_text(one_line_each(rows), more=NESTED).split("\n")
        at = random.randrange(1, len(rows))
        lines[at] = change(random, lines[at])
        data = "\n".join(lines).encode()
        return Made(".jsonl", data, None, f":{at + 1}: ") if is_refused else Made(".jsonl", data, one_line_each(rows))

    return make


def _whole(change: Callable[[list[Any]], str]) -> Maker:
    """JSON, but not by lines."""
    return lambda random, rows: Made(".jsonl", change([json.loads(line) for line in _lines(rows)]).encode(), None)


def _answers(*choices: tuple[str, str | None]) -> Maker:
    """One answer is written as JSON in the first of a pair, and its text is the second; None: it is refused."""

    def make(random: Random, rows: list[Row]) -> Made:
        lines, at = _lines(rows), random.randrange(1, len(rows))
        written, text = random.choice(choices)
        question = rows[at][0]
        lines[at] = f'{{"question": {json.dumps(question)}, "answer": {written}}}'
        data = "\n".join(lines).encode()
        if text is None:
            return Made(".jsonl", data, None, f":{at + 1}: ")
        return Made(".jsonl", data, [*rows[:at], (question, text), *rows[at + 1 :]])

    return make


def _lines(rows: list[Row]) -> list[str]:
    return json_text(rows).split("\n")[:-1]


def _deep(random: Random, line: str) -> str:
    depth = random.choice([150, 900, 990, 5000, 60_000])
    opening, closing = random.choice([("[", "]"), ('{"a":', "}")])
    return line.replace('"more"', f'"deep": {opening * depth}1{closing * depth}, "more"')


def _without(random: Random, line: str) -> str:
    row = json.loads(line)
    del row[random.choice(["question", "answer"])]
    return json.dumps(row)


MAKERS: dict[str, Maker] = {
    "json_key_twice": _in_line(lambda random, line: line[:-1] + ', "answer": "other"}'),
    "json_key_twice_inside": _in_line(lambda random, line: line.replace('"k"', '"k": 1, "k"')),
    "json_garbage_behind": _in_line(lambda random, line: line + random.choice([",", "]", " x", '"', "}"])),
    "json_two_objects_on_a_line": _in_line(lambda random, line: line + random.choice(["", " ", ", "]) + line),
    "json_cut": _in_line(lambda random, line: line[: random.randrange(1, len(line))]),
    "json_as_python_prints_it": _in_line(lambda random, line: str(json.loads(line))),
    "json_of_no_object": _in_line(lambda random, line: random.choice(["[1]", "7", '"text"', "null", "true"])),
    "json_behind_a_comment": _in_line(lambda random, line: f"// {line}"),
    "json_control_character": _in_line(lambda random, line: line.replace('": "', '": "\x01', 1)),
    "json_over_two_lines": _in_line(lambda random, line: line.replace(', "', ',\n"', 1)),
    "json_without_a_column": _in_line(_without),
    "json_with_nan_elsewhere": _in_line(lambda random, line: line.replace('"k": [1,', '"k": [NaN, -Infinity,'), False),
    "json_deep_elsewhere": _in_line(_deep, False),
    "json_deep_and_cut": _in_line(lambda random, line: _deep(random, line)[: -random.randrange(1, 40)]),
    "json_half_a_surrogate_elsewhere": _in_line(lambda random, line: line.replace('"k"', r'"\ud83d"'), False),
    "json_spaces_around": _in_line(lambda random, line: f" \t{line}  ", False),
    "json_array": _whole(json.dumps),
    "json_array_over_lines": _whole(lambda rows: json.dumps(rows, indent=1)),
    "json_array_by_rows": _whole(lambda rows: "[" + ",\n".join(map(json.dumps, rows)) + "]"),
    "json_object_over_lines": _whole(lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows)),
    "json_number": _answers(
        ("0.1", "0.1"),
        ("1.0", "1"),
        ("1", "1"),
        ("-0.0", "0"),
        ("1e400", "1e400"),
        ("-1E-400", "-1E-400"),
        ("1e22", "1" + "0" * 22),
        ("12345678901234567890123", "12345678901234567890123"),
        ("0.1234567890123456789012345", "0.1234567890123456789012345"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("9007199254740993.0", "9007199254740993.0"),
        ("1" * 5000, None),
    ),
    "json_list_of_one": _answers(('["148"]', "148"), ("[148]", "148"), ("[[0.5]]", "0.5")),
    "json_word": _answers(("true", "True"), ("null", None), ("NaN", None), ('""', None)),
    "json_value_that_is_no_text": _answers(('["1", "2"]', None), ('{"ground_truth": "148"}', None), ("[]", None)),
    "json_text_of_an_object": _answers((json.dumps('{"ground_truth": "148"}'), None), (json.dumps("{'a': 1}"), None)),
    "json_deep_answer": _answers(("[" * 200 + "]" * 200, None), ("[" * 50_000 + "]" * 50_000, None)),
}
