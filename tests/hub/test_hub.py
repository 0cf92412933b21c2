"""Models and datasets of a real hub on loopback: read as their local copies, pinned, moved, cached."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.conftest import Ufo
from tests.hub.conftest import Hub
from tests.hub.repositories import MODEL, commit
from tests.unit.test_benchmarks import FROM_FILES, SIZES

COMMAND = (
    *("evaluate", f"model.path={MODEL}", "template=short", "model.dtype=float32", "model.max_completion_tokens=64"),
    *("eval=gsm8k", "eval.gsm8k.limit=8", "launch.threads_per_rank=1", "tracker=off"),
)
READ = """
import json, sys
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.prepare import prepare
(job,) = compose_jobs(sys.argv[1:])
found = prepare(load(job.plain))
pools = {"pool": found.pool.prompts, **found.benchmarks}
print(json.dumps({name: [(p.id, p.answer) for p in prompts] for name, prompts in pools.items()}))
"""


def read(environment: dict[str, str], folder: Path, *words: str) -> dict[str, list[list[str]]]:
    """Ids and answers of a pool and its benchmarks, read by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", READ, "model=tiny", *words],
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("dataset", "benchmarks"),
    [("gsm8k", [name for name in FROM_FILES if name != "gsm8k_5shot"]), ("dapo-math-17k", ["gsm8k_5shot"])],
)
def test_every_shipped_dataset_and_benchmark_is_what_its_local_copy_is(
    ufo: Ufo, hub: Hub, shared_data: Path, dataset: str, benchmarks: list[str]
) -> None:
    words = (f"dataset={dataset}", f"eval=[{','.join(benchmarks)}]")
    places = hub.places(ufo.folder / "hf")
    from_hub = read({**ufo.environment, **places}, ufo.folder, *words, "paths.data=null")
    from_files = read(ufo.environment, ufo.folder, *words, f"paths.data={shared_data}")
    assert {name: len(from_hub[name]) for name in benchmarks} == {name: SIZES[name] for name in benchmarks}
    assert len(from_hub["pool"]) == {"gsm8k": 7473, "dapo-math-17k": 17255}[dataset]
    assert from_hub == from_files
    # the cache serves without a hub, and says nothing of it
    offline = {**ufo.environment, **places, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    assert read(offline, ufo.folder, *words, "paths.data=null") == from_hub


def test_the_configurations_of_dapo(ufo: Ufo, hub: Hub) -> None:
    places, counts = hub.places(ufo.folder / "hf"), {}
    for name in ("en", "cn"):
        words = ("dataset=dapo-math-17k", f"dataset.config_name={name}", "eval=arithmetic", "paths.data=null")
        counts[name] = len(read({**ufo.environment, **places}, ufo.folder, *words)["pool"])
    assert counts["en"] > 13_000 and counts["cn"] > 3_000 and sum(counts.values()) >= 17_255


def test_a_model_is_fetched_once_pinned_and_told_when_its_branch_moves(ufo: Ufo, hub: Hub) -> None:
    places = hub.places(ufo.folder / "hf")
    first = ufo.run(*COMMAND, **places)
    assert f"model.path={MODEL}: main is commit {hub.commit}" in first and "HTTP Request" not in first
    assert "generating 8 of 8 completions" in first
    again = ufo.run(*COMMAND, **places)
    assert "commit" not in again and "generating" not in again

    weights = load_file(hub.model / "model.safetensors")
    weights["model.norm.weight"] *= 0.5
    save_file(weights, hub.model / "model.safetensors", metadata={"format": "pt"})
    later = commit(hub.model, "other weights")
    moved = ufo.run(*COMMAND, **places)
    assert f"main has moved from commit {hub.commit} to {later} since it was last used here" in moved
    assert "generating 8 of 8 completions" in moved  # what was stored is of other weights
    pinned = ufo.run(*COMMAND, f"model.revision={hub.commit}", **places)
    assert "commit" not in pinned and "generating" not in pinned and rows(pinned) == rows(first)
    offline = ufo.run(*COMMAND, **{**places, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"})
    assert "generating" not in offline and rows(offline) == rows(moved)


def rows(output: str) -> list[Any]:
    return re.findall(r"^gsm8k \(subset\) .*", output, flags=re.M)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            (f"model.path={MODEL}", "model.revision=no-such-branch"),
            f"model.path={MODEL} (revision no-such-branch) cannot be",
        ),
        (("model.path=lab/none",), "model.path=lab/none (revision main) cannot be fetched from the hub"),
        (
            ("model.path=lab/none", "eval=gsm8k", "eval.gsm8k.dataset.path=lab/gone"),
            "dataset lab/gone (test) cannot be loaded",
        ),
        (
            (f"model.path={MODEL}", "eval.gsm8k.dataset.config_name=other"),
            "dataset openai/gsm8k (test) cannot be loaded",
        ),
        ((f"model.path={MODEL}", "eval.gsm8k.dataset.split=dev"), "dataset openai/gsm8k (dev) cannot be loaded"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(ufo: Ufo, hub: Hub, words: tuple[str, ...], told: str) -> None:
    output = ufo.run(*COMMAND, *words, status=2, **hub.places(ufo.folder / "hf"))
    lines = [line for line in output.splitlines() if line.startswith("ufo-rl: ") and "runs with" not in line]
    assert len(lines) == 1 and told in lines[0], output
    assert "Traceback" not in output and "HTTP Request" not in output
