"""A rank that joins the others, loads a model as training does, and says how much memory that took at most. Words: folder of
the model, folder for the answer."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import torch

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.launch.place import Place
from ufo_rl.model.whole import load_whole
from ufo_rl.training.construct import grpo_arguments
from ufo_rl.training.grpo import prepare_process_group
from ufo_rl.training.precision import weights_dtype


def held() -> int:
    """Bytes of this process alone; pages of a mapped file are the file's."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise OSError("smaps_rollup says nothing of anonymous memory")


def main() -> None:
    model, answers = map(Path, sys.argv[1:3])
    (job,) = compose_jobs(
        [f"model.path={model}", "dataset=words", "train=small", "deepspeed=zero3", "launch.num_ranks=2"]
    )
    config, place = load(job.plain), Place.from_environment("cpu")
    prepare_process_group(place, config.deepspeed.config)
    # TRL's arguments tell transformers of ZeRO 3, and live as long as the model is loaded
    arguments = grpo_arguments(config.train, config.deepspeed.config, 0, answers / "work", True, [1.0])
    torch.distributed.barrier()
    idle, peak, is_over = held(), [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.005):
            peak[0] = max(peak[0], held())

    thread = threading.Thread(target=watch)
    thread.start()
    loaded = load_whole(model, str(model), dtype=getattr(torch, weights_dtype(config.train, config.deepspeed.config)))
    is_over.set()
    thread.join()
    numbers = sum(getattr(one, "ds_numel", one.numel()) for one in loaded.parameters())
    size = next(loaded.parameters()).element_size()
    found = {"peak": peak[0] - idle, "model": numbers * size, "trl": type(arguments).__name__}
    (answers / f"rank-{place.rank}.json").write_text(json.dumps(found))
    torch.distributed.barrier()


if __name__ == "__main__":
    main()
