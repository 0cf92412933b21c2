"""What threads and their way of waiting cost scoring, generation and a training step, on a quiet machine and beside one busy
process.

    python bench/threads.py

Every figure is of a process of its own: the variables are read when libraries load. Writes threads.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ufo_rl.launch.threads import EXPORTED, WAITING, WAITS

HERE = Path(__file__).parent
WAYS: dict[str, dict[str, str]] = {
    "torch's default": {},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "as ranks have it": WAITS,
}
SETTINGS = [(1, "as ranks have it"), *((2, name) for name in WAYS)]  # one thread waits for nobody
SHAPES = ("tiny", "smollm2-135m")
TASKS = ("scoring", "generation", "training")
REPEATS = 3
OWN = (*EXPORTED, *WAITING)


def main() -> None:
    if len(sys.argv) == 3:
        sys.stdout.write(json.dumps(measure(*sys.argv[1:])))
        return
    from ufo_rl.files.environment import hardware

    found: list[dict[str, Any]] = []
    for shape in SHAPES:
        for threads, name in SETTINGS:
            own = {k: v for k, v in os.environ.items() if k not in OWN}
            environment = {**own, **WAYS[name], "OMP_NUM_THREADS": str(threads)}
            quiet = {task: run(shape, task, environment) for task in TASKS}
            with neighbour():
                busy = {task: run(shape, task, environment) for task in TASKS}
            ratio = {task: busy[task] / quiet[task] for task in TASKS}
            found.append(
                {"shape": shape, "threads": threads, "waiting": name, "quiet": quiet, "busy": busy, "ratio": ratio}
            )
            sys.stderr.write(json.dumps(found[-1]) + "\n")
    (HERE / "threads.json").write_text(json.dumps({"machine": hardware(), "seconds": found}, indent=1) + "\n")


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that is busy on one core."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run(shape: str, task: str, environment: dict[str, str]) -> float:
    done = subprocess.run([sys.executable, __file__, shape, task], env=environment, check=True, capture_output=True)
    return json.loads(done.stdout)


def measure(shape: str, task: str) -> float:
    """Median seconds of a repetition, after one to warm up."""
    import shapes

    model, tokenizer = shapes.load(shape, [str(n) for n in range(1000)], "float32", "cpu")
    work = {"scoring": scoring, "generation": generation, "training": training}[task](model, tokenizer, shape)
    taken = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def scoring(model: Any, tokenizer: Any, shape: str) -> Callable[[], Any]:
    """Confidences of rows of 40 tokens, 8 of them the target."""
    import torch

    from ufo_rl.model.weights import pad_id
    from ufo_rl.signals.confidence.budget import Budget
    from ufo_rl.signals.confidence.forward import TeacherForcing
    from ufo_rl.signals.confidence.measure import measure, share_prefix
    from ufo_rl.signals.confidence.spans import Encoded

    torch.manual_seed(0)
    ids = torch.randint(3, 30, (2000 if shape == "tiny" else 16, 40)).tolist()
    rows = [Encoded(one, 8, "") for one in ids]
    forcing = TeacherForcing(model, pad_id(tokenizer))
    share_prefix(forcing, rows)
    return lambda: list(measure(forcing, rows, Budget(2048, "cpu"), None))


def generation(model: Any, tokenizer: Any, shape: str) -> Callable[[], Any]:
    """Sampled completions of at most 24 tokens, the same in every setting."""
    from ufo_rl.model.engine import Sampling
    from ufo_rl.model.engine.hf import HFEngine

    texts = [f"{n} and {n + 1}" for n in range(64 if shape == "tiny" else 8)]
    engine = HFEngine(model, tokenizer, 100_000, [tokenizer.eos_token_id])
    return lambda: list(engine.generate(texts, Sampling(1.0, 24), range(len(texts))))


def training(model: Any, tokenizer: Any, shape: str) -> Callable[[], Any]:
    """A step of AdamW on 64 tokens a row."""
    import torch

    torch.manual_seed(0)
    ids = torch.randint(3, 30, (64 if shape == "tiny" else 4, 64))
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-6)

    def step() -> None:
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main()
