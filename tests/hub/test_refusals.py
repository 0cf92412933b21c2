"""What a hub refuses, and what it cuts short: a server of our own that does so."""

from __future__ import annotations

import pytest

from tests.conftest import Ufo
from tests.fake_hub import CUT, FakeHub
from ufo_rl.model.weights import packaged

LAB = packaged("package:lab/tiny")
FILES = {path.name: path.read_bytes() for path in LAB.iterdir() if path.suffix in (".json", ".safetensors", ".jinja")}
COMMAND = (
    *("evaluate", "model.path=lab/tiny", "template=short", "model.dtype=float32", "model.max_completion_tokens=96"),
    *("eval=arithmetic", "eval.arithmetic.limit=8", "launch.threads_per_rank=1", "tracker=off"),
)


def places(hub: FakeHub, ufo: Ufo) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(ufo.folder / "hf"), "HF_HUB_OFFLINE": ""}


@pytest.mark.parametrize(
    ("status", "code"), [(401, "GatedRepo"), (403, "GatedRepo"), (401, "RepoNotFound"), (404, "RepoNotFound")]
)
def test_a_model_behind_a_gate_is_told_with_the_cure(ufo: Ufo, status: int, code: str) -> None:
    hub = FakeHub({"models/lab/tiny": FILES}, refusal=(status, code))
    output = ufo.run(*COMMAND, status=2, **places(hub, ufo))
    hub.close()
    (line,) = [line for line in output.splitlines() if line.startswith("ufo-rl: ") and "runs with" not in line]
    assert line.startswith("ufo-rl: model.path=lab/tiny (revision main) cannot be fetched from the hub: ")
    assert str(status) in line and "hf auth login" in line and (code != "GatedRepo" or "it is gated" in line)
    assert "Traceback" not in output and "HTTP Request" not in output


def test_a_dataset_behind_a_gate_is_told(ufo: Ufo) -> None:
    hub = FakeHub({}, refusal=(403, "GatedRepo"))
    words = ("select", "model=tiny", "dataset=gsm8k", "tracker=off")
    output = ufo.run(*words, status=2, **places(hub, ufo))
    hub.close()
    (line,) = [line for line in output.splitlines() if line.startswith("ufo-rl: ")]
    assert "dataset openai/gsm8k (train) cannot be loaded from the hub" in line and "gated" in line
    assert "Traceback" not in output


def test_a_missing_file_is_told_by_its_name(ufo: Ufo) -> None:
    hub = FakeHub({"models/lab/tiny": {name: data for name, data in FILES.items() if name != "model.safetensors"}})
    output = ufo.run(*COMMAND, status=2, **places(hub, ufo))
    hub.close()
    assert "ufo-rl: model.path=lab/tiny has no weights (*.safetensors)" in output and "Traceback" not in output


def test_a_connection_that_is_cut_goes_on_where_it_ended(ufo: Ufo) -> None:
    large = bytes(range(256)) * (5 * CUT // 512)  # beside the model's own, which is small
    hub = FakeHub({"models/lab/tiny": {**FILES, "second.safetensors": large}}, num_cuts=2)
    output = ufo.run(*COMMAND, **places(hub, ufo))
    hub.close()
    assert "arithmetic (subset)" in output and "Traceback" not in output and hub.num_cuts == 0
    begun = [int(request.partition("bytes=")[2].rstrip("-")) for request in hub.requests if "bytes=" in request]
    assert len(begun) == 2 and 0 < begun[0] < begun[1] < len(large)
    found = next((ufo.folder / "hf").glob("hub/models--lab--tiny/snapshots/*/second.safetensors"))
    assert found.read_bytes() == large
