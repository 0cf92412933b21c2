"""Repositories of the published layout and columns, made from the local copies of the datasets: git repositories that a hub on
loopback serves."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ufo_rl.model.weights import packaged

Row = dict[str, Any]
MODEL = "lab/rules"


def rows_of(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def commit(folder: Path, message: str = "files") -> str:
    """All files of the folder as a commit of its branch main; its hash."""
    git = ["git", "-C", str(folder), "-c", "user.name=tests", "-c", "user.email=tests@example.org"]
    if not (folder / ".git").exists():
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", message], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def write_dataset(folder: Path, configs: Mapping[str, Mapping[str, Sequence[Row]]]) -> str:
    """A dataset of Parquet files by configuration and split, with the card that names them; its commit."""
    about = []
    for config, splits in configs.items():
        files = []
        for split, rows in splits.items():
            path = Path(config) / f"{split}-00000-of-00001.parquet"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(list(rows)), folder / path)
            files.append({"split": split, "path": str(path)})
        about.append({"config_name": config, "data_files": files})
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': about})}---\n")
    return commit(folder)


def renamed(rows: Iterable[Row], **names: str) -> list[Row]:
    """Rows with the columns that `names` gives, by the names of the copy."""
    return [{name: row[of] for name, of in names.items()} for row in rows]


def publish_datasets(data: Path, hub: Path) -> None:
    """Every dataset and benchmark that conf/ names on the hub, in the layout of its card as far as it is known."""

    def of(name: str) -> list[Row]:
        return rows_of(data / f"{name}.jsonl")

    gsm8k = {"train": of("gsm8k_train"), "test": of("gsm8k_test")}
    write_dataset(hub / "datasets/openai/gsm8k", {"main": gsm8k})
    write_dataset(hub / "datasets/HuggingFaceH4/MATH-500", {"default": {"test": of("math500_test")}})
    write_dataset(hub / "datasets/HuggingFaceH4/aime_2024", {"default": {"train": of("aime24_test")}})
    write_dataset(hub / "datasets/math-ai/aime25", {"default": {"test": of("aime25_test")}})
    amc = renamed(of("amc23_test"), id="id", answer="answer", url="url", question="question")
    write_dataset(hub / "datasets/math-ai/amc23", {"default": {"test": amc}})
    minerva = [{"question": row["problem"], "answer": boxed(row["solution"])} for row in of("minerva_math_test")]
    write_dataset(hub / "datasets/math-ai/minervamath", {"default": {"test": minerva}})
    olympiad = renamed(of("olympiadbench_test"), id="id", question="question", final_answer="final_answer")
    write_dataset(hub / "datasets/zwhe99/simplerl-OlympiadBench", {"default": {"test": olympiad}})
    dapo = [
        {"prompt": row["prompt"][0]["content"], "solution": row["reward_model"]["ground_truth"], "ability": "MATH"}
        for row in of("dapo_math_17k")
    ]
    cn = [row for row in dapo if any("\u4e00" <= sign <= "\u9fff" for sign in row["prompt"])]
    en = [row for row in dapo if not any("\u4e00" <= sign <= "\u9fff" for sign in row["prompt"])]
    configs = {"all": {"train": dapo}, "en": {"train": en}, "cn": {"train": cn}}
    write_dataset(hub / "datasets/open-r1/DAPO-Math-17k-Processed", configs)


def boxed(solution: str) -> str:
    """What the last box of a solution holds, by counting braces."""
    start = solution.rindex(r"\boxed{") + len(r"\boxed{")
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(solution[end], 0)
        end += 1
    return solution[start : end - 1]


def publish_model(hub: Path) -> str:
    """The lab's model under MODEL; its commit."""
    folder = hub / "models" / MODEL
    shutil.copytree(packaged("package:lab/rules"), folder)
    return commit(folder)
