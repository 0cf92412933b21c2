"""lm-evaluation-harness's HFLM.loglikelihood on rows of context and target; run by the Python of its own environment.

    python bench/harness_loglikelihood.py MODEL_FOLDER ROWS.json THREADS

ROWS.json holds pairs of texts. Batch sizes are tried on the first 64 rows, and all rows are timed with the fastest. Prints one
line of JSON: versions, seconds, the batch size, seconds of each that was tried, and the log-probability of each target.
"""

import importlib.metadata
import json
import sys
import time

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

TRIED = (1, 2, 4, 8, 16, 32)
ROWS_TRIED = 64


def timed(model: HFLM, rows: list[list[str]], batch_size: int) -> tuple[float, list[float]]:
    model.batch_size_per_gpu = batch_size
    asked = [Instance(request_type="loglikelihood", doc={}, arguments=tuple(row), idx=i) for i, row in enumerate(rows)]
    began = time.perf_counter()
    found = model.loglikelihood(asked, disable_tqdm=True)
    return time.perf_counter() - began, [logprob for logprob, _ in found]


def main() -> None:
    folder, path, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with open(path) as stream:
        rows = json.load(stream)
    model = HFLM(pretrained=folder, dtype="float32", device="cpu", batch_size=1)
    timed(model, rows[:8], 4)
    tried = {size: timed(model, rows[:ROWS_TRIED], size)[0] for size in TRIED}
    best = min(tried, key=lambda size: tried[size])
    took, logprobs = timed(model, rows, best)
    packages = {name: importlib.metadata.version(name) for name in ("lm_eval", "torch", "transformers")}
    told = {
        "versions": packages,
        "seconds": took,
        "batch_size": best,
        "seconds_of_64_rows": tried,
        "logprobs": logprobs,
    }
    sys.stdout.write("RESULT" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
