"""A user's rewards, columns and options of TRL, from a folder of their own: what each is really given."""

from __future__ import annotations

import json
import os
from typing import Any

import pyarrow.parquet as pq
import pytest

from ufo_rl.files.journal import parse

pytestmark = pytest.mark.smoke
PACKAGE = '''
import asyncio, json
from dataclasses import replace
from ufo_rl.dataset.arithmetic import Arithmetic

class Lettered(Arithmetic):
    """The lab's problems with columns that no table of one type a column could hold."""
    def load(self, data):
        pool = super().load(data)
        pool.prompts = [
            replace(p, columns={"terms": p.question.count("+") + p.question.count("-"),
                                "mixed": [None, 3, "three", {"a": [1, None]}, {"b": 2}][i % 5],
                                **({"rare": [i, "x"]} if i % 7 == 0 else {})})
            for i, p in enumerate(pool.prompts)
        ]
        return pool

def short(completions, terms, weight):
    assert weight == 0.5  # a parameter of this name gets it too
    return [-len(chat[-1]["content"]) / 100 for chat in completions]

async def patient(terms, log_extra, log_metric, scale):
    await asyncio.sleep(0)
    log_extra("terms", terms)
    log_metric("mean_terms", sum(terms) / len(terms))
    return [None if count == 2 else count * scale for count in terms]

class Spy:
    def __init__(self, path): self.path = path
    def __call__(self, prompts, completions, completion_ids, trainer_state, log_metric, **columns):
        trainer, functions = log_metric.__self__, ("log_extra",)
        for value in columns["mixed"]:
            if isinstance(value, dict): value["spoilt"] = True  # nobody else may see this
        with open(self.path, "a") as stream:
            stream.write(json.dumps({
                "level": trainer.importance_sampling_level, "top_k": trainer.args.top_k,
                "weights": trainer.reward_weights.tolist(),
                "step": trainer_state.global_step, "chat": completions[0], "prompt": prompts[0], "ids": len(completion_ids[0]),
                "columns": {k: v for k, v in columns.items() if k not in functions}}) + chr(10))
        return [0.0] * len(completions)
'''
REWARD = """
defaults:
  - default
  - _self_
name: mine
parts:
  short: {_target_: mylab.short, weight: 0.5}
  patient: {_target_: mylab.patient, weight: 0.25, scale: 2.0}
  spy: {_target_: mylab.Spy, weight: 0.0, path: spy.jsonl}
"""
DATASET = """
defaults:
  - arithmetic
  - _self_
_target_: mylab.Lettered
name: lettered
"""


@pytest.mark.soak
def test_rewards_of_ones_own_get_every_column_and_trl_its_option(ufo: Any) -> None:
    (ufo.folder / "mylab.py").write_text(PACKAGE)
    for group, name, text in (("reward", "mine", REWARD), ("dataset", "lettered", DATASET)):
        (ufo.folder / "conf" / group).mkdir(parents=True)
        (ufo.folder / "conf" / group / f"{name}.yaml").write_text(text)
    output = ufo.run(
        *ufo.SMALL,
        "-m",
        "--config-dir=conf",
        "reward=mine",
        "model=tiny",
        "dataset=lettered",
        "plugins=[mylab]",
        f"reward.parts.spy.path={ufo.folder}/spy.jsonl",
        "selector=random",
        "ratio.value=0.5",
        "train.max_steps=1",
        "+train.trl.importance_sampling_level=sequence,token",
        "train.trl.top_k=3",
        "train.trl.log_completions=true",
        PYTHONPATH=os.pathsep.join([str(ufo.folder), os.environ.get("PYTHONPATH", "")]),
    )
    seen = [json.loads(line) for line in (ufo.folder / "spy.jsonl").read_text().splitlines()]
    assert [(one["level"], one["top_k"], one["step"]) for one in seen] == [("sequence", 3, 0), ("token", 3, 0)], output
    check_columns_of(seen[0])
    assert seen[0]["weights"] == pytest.approx([1.0, 0.2, 0.5, 0.25, 0.0])
    folders = sorted((ufo.folder / "outputs" / "sweeps" / "dev").glob("*/metrics.jsonl"))
    assert len(folders) == 2
    (line,) = [one for one in parse(folders[0].read_bytes()) if one["event"] == "metrics" and one["stage"] == "train"]
    terms = seen[0]["columns"]["terms"]
    counted = [count * 2.0 for count in terms if count != 2]
    assert line["mean_terms"] == pytest.approx(sum(terms) / len(terms))
    assert line["rewards/patient/mean"] == pytest.approx(sum(counted) / len(counted))
    (table,) = (folders[0].parent / "train" / "completions").glob("*.parquet")
    assert sorted(pq.read_table(table)["terms"].to_pylist()) == sorted(terms)  # what log_extra was given
    assert line["rewards/short/mean"] < 0 and 0 <= line["rewards/correctness/mean"] <= 1


def check_columns_of(seen: dict[str, Any]) -> None:
    """Each completion came with the columns of its own prompt, as the dataset made them."""
    columns = seen["columns"]
    own = {"id", "question", "answer", "solution", "level", "subject"}
    assert set(columns) == own | {"terms", "mixed", "rare"}
    assert {len(values) for values in columns.values()} == {16}
    values = dict.fromkeys(columns["id"])
    assert len(values) == 2  # prompts of 8 completions each
    for i, question in enumerate(columns["question"]):
        assert columns["terms"][i] == question.count("+") + question.count("-")
        assert columns["rare"][i] is None or columns["rare"][i][1] == "x"
        assert eval(question.removesuffix("=?")) == int(columns["answer"][i])
        assert columns["mixed"][i] in (None, 3, "three", {"a": [1, None], "spoilt": True}, {"b": 2, "spoilt": True})
    assert columns["question"][0] in seen["prompt"][-1]["content"]
    assert [message["role"] for message in seen["chat"]] == ["assistant"] and seen["ids"] > 0
