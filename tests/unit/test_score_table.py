"""scores.parquet is what a researcher reads: texts, everything measured, what the dataset brought, what became of it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ufo_rl.records import Prompt
from ufo_rl.selector.columns import of_pool
from ufo_rl.selector.cut import select
from ufo_rl.selector.score_table import GROUP_ROWS, score_columns, write_scores
from ufo_rl.selector.ufo import Ufo


def prompts_of(num: int, **columns: Any) -> list[Prompt]:
    made = {name: values if isinstance(values, list) else [values] * num for name, values in columns.items()}
    return [
        Prompt(
            f"{i:016x}", f"{i}+1=?", str(i + 1), level="1" if i % 2 else "2", columns={k: v[i] for k, v in made.items()}
        )
        for i in range(num)
    ]


def written(path: Path, prompts: Sequence[Prompt], measured: dict[str, np.ndarray], ratio: float = 0.5) -> Any:
    pool = of_pool(prompts, lambda some: [len(prompt.question) for prompt in some])
    pool.update(measured)
    selection = select(pool, Ufo("mean", "confidence"), ratio, seed=0)
    write_scores(path, score_columns(prompts, pool, measured, selection))
    return pq.read_table(path)


def test_every_prompt_stands_there_with_text_measures_columns_and_verdict(tmp_path: Path) -> None:
    prompts = prompts_of(
        4, source="book", tags=[["a"], [], None, ["b", "c"]], size=[1, 2, 3, 4], mixed=[1, "x", None, 2.5]
    )
    measured = {"confidence": np.array([0.1, 0.4, 0.5, 1.0]), "note": np.array(["p", "q", "r", "s"])}  # mean 0.5
    rows = written(tmp_path / "scores.parquet", prompts, measured).to_pylist()
    assert list(rows[0]) == [
        *("id", "question", "answer", "level", "confidence", "note", "tokens", "fuzziness", "rank", "kept"),
        *("source", "tags", "size", "mixed"),
    ]
    assert [row["question"] for row in rows] == ["0+1=?", "1+1=?", "2+1=?", "3+1=?"]
    assert [(row["rank"], row["kept"]) for row in rows] == [(3, False), (2, True), (1, True), (4, False)]
    assert [row["tokens"] for row in rows] == [5] * 4 and [row["note"] for row in rows] == ["p", "q", "r", "s"]
    assert [row["size"] for row in rows] == [1, 2, 3, 4] and {row["source"] for row in rows} == {"book"}
    assert [row["tags"] and json.loads(row["tags"]) for row in rows] == [["a"], [], None, ["b", "c"]]
    assert [row["mixed"] for row in rows] == ["1", '"x"', None, "2.5"]


def test_a_datasets_column_called_like_one_of_ours_stands_beside_it(tmp_path: Path) -> None:
    prompts = prompts_of(2, rank=[7, 8], confidence="high", tokens=9)
    rows = written(tmp_path / "t.parquet", prompts, {"confidence": np.array([0.2, 0.4])}).to_pylist()
    assert [row["confidence"] for row in rows] == [0.2, 0.4] and [row["confidence_given"] for row in rows] == [
        "high"
    ] * 2
    assert [row["rank_given"] for row in rows] == [7, 8] and sorted(row["rank"] for row in rows) == [1, 2]
    assert [(row["tokens"], row["tokens_given"]) for row in rows] == [(5, 9)] * 2


def test_the_bytes_do_not_depend_on_the_order_of_the_pool(tmp_path: Path) -> None:
    prompts, confidence = prompts_of(300, source="book"), np.random.default_rng(0).random(300)
    order = random.Random(1).sample(range(300), 300)
    written(tmp_path / "a.parquet", prompts, {"confidence": confidence})
    written(tmp_path / "b.parquet", [prompts[i] for i in order], {"confidence": confidence[order]})
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_what_parquet_cannot_hold_is_written_all_the_same(tmp_path: Path) -> None:
    prompts = prompts_of(3, huge=[2**70, 1, 2], broken=["\ud800", "a", "b"], none=None, flag=[True, False, None])
    table = written(tmp_path / "t.parquet", prompts, {"confidence": np.array([0.1, 0.2, 0.3])})
    assert table["huge"].to_pylist() == [str(2**70), "1", "2"] and table["broken"].to_pylist() == ["\\ud800", "a", "b"]
    assert table["none"].to_pylist() == [None] * 3 and table["flag"].to_pylist() == [True, False, None]


def test_a_large_pool_is_written_in_parts(tmp_path: Path) -> None:
    num = GROUP_ROWS + 5
    table = written(tmp_path / "t.parquet", prompts_of(num), {"confidence": np.linspace(0, 1, num)})
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [GROUP_ROWS, 5]
    assert table["id"].to_pylist() == sorted(table["id"].to_pylist()) and len(table) == num
