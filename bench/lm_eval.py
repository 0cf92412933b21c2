"""Our GSM8K 5-shot evaluation against lm-evaluation-harness's own, by one model on the same questions.

    python bench/lm_eval.py MODEL_FOLDER --harness PYTHON [--questions 40]

PYTHON is of an environment that has lm-eval[math]. Its task gsm8k is taken as it is, but that the rows come from UFO_RL_DATA.
Compared are the prompts (byte for byte), the completions (greedy, at most 256 tokens), what its filter strict-match extracts of
either, and the accuracy by its filters and by our grader. Prints and writes bench/lm_eval.json, and
tests/data/lm_eval_prompts.json, which a test holds our prompts against.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")  # its filter strict-match
SHOWN = 2  # prompts that are recorded in full; of the others the hash
TASKS = {
    "gsm8k_5shot": (
        "gsm8k/gsm8k.yaml",
        {"train": "gsm8k_train.jsonl", "test": "gsm8k_test.jsonl"},
        {},
    ),
    "math500_4shot": (
        "minerva_math/minerva_math500.yaml",
        {"train": "math500_test.jsonl", "test": "math500_test.jsonl"},
        {"training_split": "null"},
    ),
}
PROMPTS = """
import json, sys
import lm_eval, lm_eval.tasks
from lm_eval.tasks import TaskManager, get_task_dict
folder, count = sys.argv[1], int(sys.argv[2])
found = {}
for name, task in get_task_dict(sys.argv[3:], TaskManager(include_path=folder)).items():
    task.set_fewshot_seed(1234)
    docs = [task.eval_docs[i] for i in range(count)]
    shots = task.config.num_fewshot
    found[str(name)] = [task.fewshot_context(doc, shots) for doc in docs]
print("PROMPTS" + json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--harness", required=True, help="the Python of an environment with lm-eval")
    parser.add_argument("--questions", type=int, default=40)
    options = parser.parse_args()
    data = Path(os.environ["UFO_RL_DATA"]).resolve()
    with tempfile.TemporaryDirectory() as work:
        write_tasks(Path(work), options.harness, data)
        record_prompts(Path(work), options.harness, options.questions)
        theirs = run_harness(Path(work), options.harness, options.model.resolve(), options.questions)
        ours = run_ours(Path(work), data, options.model.resolve(), options.questions)
    found = {
        "command": f"python bench/lm_eval.py {options.model.name} --harness PYTHON --questions {options.questions}",
        "versions": versions(options.harness),
        **compared(theirs, ours),
    }
    text = json.dumps(found, indent=1)
    (HERE / "lm_eval.json").write_text(text + "\n")
    sys.stdout.write(text + "\n")


def write_tasks(work: Path, harness: str, data: Path) -> None:
    """Its own tasks with the rows of our files."""
    asked = [harness, "-c", "import lm_eval.tasks; print(lm_eval.tasks.__path__[0])"]
    there = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()[-1]
    for name, (file, splits, more) in TASKS.items():
        lines = [f"include: {there}/{file}", f"task: ours_{name}", "dataset_path: json", "dataset_name: null"]
        lines += [f"{key}: {value}" for key, value in more.items()]
        lines += ["dataset_kwargs:", "  data_files:", *(f"    {split}: {data / one}" for split, one in splits.items())]
        (work / f"{name}.yaml").write_text("\n".join(lines) + "\n")


def record_prompts(work: Path, harness: str, count: int) -> None:
    """The prompts that it makes of the first questions, for the test of ours."""
    names = [f"ours_{name}" for name in TASKS]
    asked = [harness, "-c", PROMPTS, str(work), str(count), *names]
    output = subprocess.run(asked, check=True, capture_output=True, text=True, cwd=work).stdout
    (line,) = [line for line in output.splitlines() if line.startswith("PROMPTS")]
    found = {name.removeprefix("ours_"): texts for name, texts in json.loads(line[7:]).items()}
    record = {
        "harness": versions(harness)["lm_eval"],
        "prompts": {name: texts[:SHOWN] for name, texts in found.items()},
        "sha256": {name: [sha(text) for text in texts] for name, texts in found.items()},
    }
    path = HERE.parent / "tests/data/lm_eval_prompts.json"
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def run_harness(work: Path, harness: str, model: Path, count: int) -> list[dict[str, Any]]:
    """Its samples in the order of the file: prompt, completion, both filters' verdicts."""
    arguments = f"pretrained={model},dtype=float32"
    command = [harness, "-m", "lm_eval", "run", "--model", "hf", "--model_args", arguments, "--device", "cpu"]
    command += ["--tasks", "ours_gsm8k_5shot", "--include_path", str(work), "--limit", str(count), "--batch_size", "1"]
    subprocess.run([*command, "--log_samples", "--output_path", str(work / "theirs")], check=True, cwd=work)
    (path,) = (work / "theirs").glob("*/samples_*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    by_filter = {name: [row for row in rows if row["filter"] == name] for name in ("strict-match", "flexible-extract")}
    return [
        {
            "prompt": strict["arguments"]["gen_args_0"]["arg_0"]
            if "gen_args_0" in strict["arguments"]
            else strict["arguments"][0][0],
            "completion": strict["resps"][0][0],
            "extracted": strict["filtered_resps"][0],
            "gold": strict["target"],
            "strict": strict["exact_match"],
            "flexible": flexible["exact_match"],
        }
        for strict, flexible in zip(by_filter["strict-match"], by_filter["flexible-extract"], strict=True)
    ]


def run_ours(work: Path, data: Path, model: Path, count: int) -> list[dict[str, Any]]:
    """The rows of our questions.parquet in the order of the file."""
    lines = (data / "gsm8k_test.jsonl").read_text().splitlines()[:count]
    (work / "data").mkdir()
    (work / "data/gsm8k_test.jsonl").write_text("\n".join(lines) + "\n")
    (work / "data/gsm8k_train.jsonl").symlink_to(data / "gsm8k_train.jsonl")
    command = [sys.executable, "-m", "ufo_rl.cli", "evaluate", f"model.path={model}", "eval=gsm8k_5shot", "tracker=off"]
    command += [
        f"eval.gsm8k_5shot.size={count}",
        f"paths.data={work / 'data'}",
        "model.dtype=float32",
        "engine.batch_tokens=1",
    ]
    sys.stdout.write(shlex.join(command) + "\n")
    subprocess.run(command, check=True, cwd=work)
    (path,) = (work / "outputs/evaluations").glob("*/*/eval/gsm8k_5shot/questions.parquet")
    rows = {row["question"]: row for row in pq.read_table(path).to_pylist()}
    return [rows[json.loads(line)["question"]] for line in lines]


def compared(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts of what is equal, question by question, and the accuracies."""
    pairs = list(zip(theirs, ours, strict=True))
    extracted = [strict_of(own["completion"]) for own in ours]
    return {
        "questions": len(pairs),
        "equal_prompts": sum(their["prompt"] == own["prompt"] for their, own in pairs),
        "equal_completions": sum(their["completion"] == own["completion"] for their, own in pairs),
        "equal_strict_match": sum(their["extracted"] == own for (their, _), own in zip(pairs, extracted, strict=True)),
        "right": {
            "theirs, strict-match": sum(their["strict"] for their in theirs),
            "theirs, flexible-extract": sum(their["flexible"] for their in theirs),
            "ours, by strict-match": sum(
                is_equal(own, their["gold"]) for their, own in zip(theirs, extracted, strict=True)
            ),
            "ours, by our grader": sum(own["correct"] for own in ours),
        },
        "other_verdict_than_strict_match": [
            {
                "completion": own["completion"],
                "gold": own["gold"],
                "strict": their["extracted"],
                "ours": own["extracted"],
            }
            for their, own in pairs
            if bool(their["strict"]) != own["correct"]
        ],
    }


def strict_of(completion: str) -> str:
    """What its filter takes: the first match, else the word that it puts there."""
    found = STRICT.search(completion)
    return found[1].strip() if found else "[invalid]"


def is_equal(extracted: str, gold: str) -> bool:
    """Its exact_match of this task: without commas, dollars, a full stop at the end, and what stands before ####."""

    def bare(text: str) -> str:
        for pattern in (",", r"\$", r"(?s).*#### ", r"\.$"):
            text = re.sub(pattern, "", text)
        return text.lower()

    return bare(extracted) == bare(gold)


def versions(harness: str) -> dict[str, str]:
    asked = "import importlib.metadata as m; print(*(m.version(p) for p in ('lm_eval', 'transformers', 'torch')))"
    output = subprocess.run([harness, "-c", asked], check=True, capture_output=True, text=True).stdout.split()
    return dict(zip(("lm_eval", "transformers", "torch"), output, strict=True))


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
