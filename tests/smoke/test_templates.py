"""Real runs of the lab under other prompts: a chat template that opens the reasoning, a base model without any."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import Ufo
from ufo_rl.model.weights import packaged

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")


def rewards_of(folder: Path) -> list[float]:
    """The mean of the format reward, step by step."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["rewards/format/mean"] for row in rows if "rewards/format/mean" in row]


@pytest.mark.soak
def test_a_prompt_that_ends_in_think_is_rewarded_scored_and_told(ufo: Ufo) -> None:
    """The lab answers half of its problems by `<think>..</think><answer>..</answer>`: behind an open think it goes on in it."""
    text = (LAB / "chat_template.jinja").read_text()
    (ufo.folder / "thinking.jinja").write_text(text + "{%- if add_generation_prompt -%}<think>{%- endif -%}")
    words = ("model=tiny", "model.chat_template=thinking.jinja", "dataset.levels=[3]", "ratio=50pct")
    output = ufo.run(*ufo.SMALL, *words)
    assert output.count("every prompt ends in '<think>': the format reward counts it") == 1
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    assert rewards_of(folder) and min(rewards_of(folder)) > 0.5
    output = ufo.run(
        "evaluate", f"model.path={folder}/train/policy", *ufo.SMALL[1:3], "tracker=off", "launch.threads_per_rank=1"
    )
    assert "template short" in output and "(stored)" not in output.partition("arithmetic:")[0]


@pytest.mark.soak
def test_a_base_model_is_scored_trained_and_evaluated_as_text(ufo: Ufo) -> None:
    shutil.copytree(LAB, ufo.folder / "base-1M", ignore=shutil.ignore_patterns("chat_template.jinja"))
    words = ("model.path=base-1M", "template=plain", "train=lab", "model.max_completion_tokens=24", "ratio=50pct")
    small = [word for word in ufo.SMALL if word != "model=tiny"]
    output = ufo.run(*small, "dataset=arithmetic", *words)
    assert "runs with model.name=base-1M template=plain train=lab" in output
    (folder,) = ufo.folder.glob("outputs/runs/dev/base-1M-arithmetic-ufo-50pct-s0-*")
    record = json.loads((folder / "run.json").read_text())
    assert record["choices"]["model"] == "custom" and "tiny" not in json.dumps(record["choices"])
    rows = pq.read_table(folder / "eval/arithmetic/questions.parquet").to_pylist()
    assert all(row["prompt"] == f"Question: {row['question']}\nAnswer:" for row in rows)
    assert not any("Question:" in row["completion"] for row in rows)
