"""Models and datasets from a hub: a real download from a server of our own, then without any way to it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Ufo
from tests.fake_hub import FakeHub

pytestmark = pytest.mark.smoke

LAB = Path(str(files("ufo_rl"))) / "lab/tiny"
SUMS = [(a, b) for a in range(1, 3) for b in range(1, 5)]
FILES = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
FILES |= {"chat_template.jinja"}
COMMAND = (
    *("evaluate", "model.path=lab/tiny", "eval=math500", "eval.math500.dataset.path=lab/sums", "eval.math500.size=8"),
    *("tracker=off", "launch.threads_per_rank=1"),
)


def sums() -> bytes:
    questions, answers = [f"{a}+{b}=?" for a, b in SUMS], pa.array([a + b for a, b in SUMS], pa.float32())
    columns = {"problem": questions, "answer": answers, "solution": [""] * 8, "subject": ["sums"] * 8, "level": [1] * 8}
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    model = {path.name: path.read_bytes() for path in LAB.iterdir() if path.name in FILES}
    opened = FakeHub({"models/lab/tiny": model, "datasets/lab/sums": {"test.parquet": sums()}})
    yield opened
    opened.close()


@pytest.mark.soak
def test_a_model_and_a_benchmark_of_the_hub_are_fetched_once_and_serve_without_it(ufo: Ufo, hub: FakeHub) -> None:
    places = {"HF_ENDPOINT": hub.url, "HF_HOME": str(ufo.folder / "hf"), "HF_HUB_OFFLINE": ""}
    output = ufo.run(*COMMAND, **places)
    assert "HEAD /lab/tiny/resolve" in " ".join(hub.requests) and "/test.parquet" in " ".join(hub.requests)
    assert "HTTP Request" not in output  # of httpx, a line for each
    (accuracy,) = re.findall(r"^math500 +8 +\d+ +\S+", output, flags=re.M)
    golds = pq.read_table(next(ufo.folder.glob("outputs/**/questions.parquet")))["gold"].to_pylist()
    assert sorted(golds) == sorted(str(a + b) for a, b in SUMS)

    hub.close()
    assert accuracy in ufo.run(*COMMAND, **places)
