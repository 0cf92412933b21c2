"""What `ufo-rl plan` says of memory against what training ranks hold, on a CPU.

    python bench/plan_memory.py models/SmolLM2-135M-Instruct [CASE...]

Adds to plan_memory.json: of each case the peak of a rank above one that has imported everything and loaded nothing, what
the plan says, and their ratio. One case at a time; two ranks take up to 12 GB.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RECORD = Path(__file__).with_suffix(".json")
COMMON = (
    *("model=smollm2-135m", "dataset=words", "dataset.num_prompts=64", "eval=[words]", "template=worked"),
    *("train=small", "selector=random", "ratio.value=0.5", "train.max_steps=2", "train.save_steps=null"),
    *("train.num_generations=4", "train.per_device_train_batch_size=4", "train.max_completion_tokens=32"),
    *("launch.device=cpu", "launch.num_ranks=2", "model.dtype=float32", "tracker=off"),
)
WIDE = ("train.per_device_train_batch_size=16", "train.gradient_checkpointing=true")
HALF = ("train.bf16=true",)
LORA = ("train.lora.rank=16",)
CASES: dict[str, tuple[str, ...]] = {
    "off": ("deepspeed=off",),
    "zero1": ("deepspeed=zero1",),
    "zero2": ("deepspeed=zero2",),
    "zero3": ("deepspeed=zero3",),
    "off, accumulation": ("deepspeed=off", "train.gradient_accumulation_steps=2"),
    "zero2, accumulation": ("deepspeed=zero2", "train.gradient_accumulation_steps=2"),
    "zero2, bf16": ("deepspeed=zero2", *HALF),
    "zero3, bf16": ("deepspeed=zero3", *HALF),
    "zero2, 16 rows, checkpointing": ("deepspeed=zero2", *WIDE),
    "zero2, reference": ("deepspeed=zero2", "train.beta=0.04"),
    "off, LoRA": ("deepspeed=off", *LORA),
    "zero2, LoRA": ("deepspeed=zero2", *LORA),
}


def main(model: str, names: Sequence[str]) -> None:
    found: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    for name in names or CASES:
        found[name] = compared(model, CASES[name])
        RECORD.write_text(json.dumps(found, indent=1) + "\n")
        sys.stdout.write(f"{name}: {json.dumps(found[name])}\n")


def compared(model: str, overrides: Sequence[str]) -> dict[str, Any]:
    words = [*COMMON, *overrides]
    with tempfile.TemporaryDirectory() as work:
        ranks = measured([*words, f"model.path={Path(model).absolute()}", f"paths.outputs={work}/outputs"], Path(work))
    peak = max(rank["peak_gib"] - rank["idle_gib"] for rank in ranks)
    planned = planned_gib(model, words)
    return {
        "command": shlex.join(["ufo-rl", "plan", *words]),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "idle_gib": round(max(rank["idle_gib"] for rank in ranks), 3),
        "measured_gib": round(peak, 3),
        "planned_gib": round(planned, 3),
        "ratio": round(planned / peak, 3),
    }


def planned_gib(model: str, words: Sequence[str]) -> float:
    """What the plan says of the peak of a rank."""
    from ufo_rl.commands.plan.jobs import plans_of
    from ufo_rl.commands.plan.options import PlanOptions

    (plan,) = plans_of([*words, f"model.path={model}"], None, None, False, PlanOptions())
    assert plan.memory is not None
    return plan.memory.peak / 2**30


def measured(words: Sequence[str], work: Path) -> list[dict[str, float]]:
    """Of each rank of a real training of these overrides."""
    from ufo_rl.config.compose import compose_jobs
    from ufo_rl.config.load import load
    from ufo_rl.experiment.data import load_pool
    from ufo_rl.launch.request import plain
    from ufo_rl.model.chat import ChatModel
    from ufo_rl.training.policy import PolicyTraining

    (job,) = compose_jobs(list(words))
    config = load(job.plain)
    prompts = load_pool(config.dataset, "dataset", config, config.grader).prompts[:32]
    asked = Asked(work)
    training = PolicyTraining(config, job.plain, ChatModel(config.model, config.template, work / "memo.json"), asked)  # type: ignore[arg-type]
    with contextlib.suppress(Asked.Enough):
        training.run(prompts, lambda policy, step: {})
    parts = {"rows": list(asked.rows), "request": plain(asked.request), "launch": plain(config.launch)}
    (work / "asked.json").write_text(json.dumps(parts))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    size = config.launch.num_ranks
    children = []
    for rank in range(size):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
        environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", **{key: str(value) for key, value in place.items()}}
        environment |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        environment |= {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_ARENA_MAX": "1"}  # what is freed is given back
        children.append(subprocess.Popen([sys.executable, __file__, "--rank", str(work)], env=environment))
    if any([child.wait() for child in children]):
        sys.exit("a rank failed")
    return [json.loads((work / f"rank-{rank}.json").read_text()) for rank in range(size)]


class Asked:
    """Stands where a run starts its ranks: keeps what they would be asked."""

    class Enough(Exception):
        pass

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.request = folder, list[Any](), None

    def asks(self, *_: Any) -> None: ...

    def spool(self, stage: str, rows: Any) -> None:
        self.rows = list(rows)

    def run(self, stage: str, rank: str, request: Any, *_: Any, **__: Any) -> None:
        self.request = request
        raise Asked.Enough


def rank(work: Path) -> None:
    """One rank: everything imported, its memory read, then the training that was asked for."""
    from ufo_rl.launch.place import Place
    from ufo_rl.launch.request import typed
    from ufo_rl.training.policy import libraries
    from ufo_rl.training.rank import train_policy

    parts = json.loads((work / "asked.json").read_text())
    rows, request = parts["rows"], typed("ufo_rl.training.policy:TrainRequest", parts["request"])
    launch = typed("ufo_rl.config.schema:Launch", parts["launch"])
    for module in libraries(request.deepspeed):
        __import__(module)
    place = Place.from_environment("cpu")
    idle = place.peak_memory_gib()
    journal = SimpleNamespace(write=traced if os.environ.get("TRACE") else lambda *_, **__: None)
    asked = SimpleNamespace(launch=launch, work=work)
    found = train_policy(request, SimpleNamespace(place=place, rows=lambda: rows, journal=journal, request=asked))  # type: ignore[arg-type]
    told = {"idle_gib": idle, "peak_gib": place.peak_memory_gib(), "steps": found["steps"]}
    (work / f"rank-{place.rank}.json").write_text(json.dumps(told))


def traced(event: str, **values: Any) -> None:
    import gc

    import torch

    now = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(("VmRSS", "VmHWM"))]
    held = {}
    for one in gc.get_objects():
        if isinstance(one, torch.Tensor) and one.untyped_storage().nbytes() > 2**20:
            held[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
    sys.stderr.write(
        f"{event} {values.get('words', '')} {' '.join(now)} tensors {sum(held.values()) / 2**30:.3f} GiB\n"
    )


if __name__ == "__main__":
    if sys.argv[1] == "--rank":
        rank(Path(sys.argv[2]))
    else:
        main(sys.argv[1], sys.argv[2:])
