"""vLLM's server on a CPU: what it generates for a training, and says of a probe, is right. (Weights it takes over CUDA alone;
test_rollouts.py has that it is refused.)"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from trl.generation.vllm_client import VLLMClient

from tests.vllm.wide import widen
from tests.waiting import BACKSTOP_S
from ufo_rl.model.engine.vllm_trained import logprobs_by
from ufo_rl.model.weights import load_model, load_tokenizer, packaged


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return widen(packaged("package:lab/rules"), tmp_path_factory.mktemp("lab") / "wide")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[VLLMClient]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # the command `vllm` asks for the metadata of a package that the build for CPUs is not called
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(folder),
        "--host",
        "127.0.0.1",
    ]
    command += ["--port", str(port), "--dtype", "float32", "--logprobs-mode", "processed_logprobs"]
    environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    with (folder.parent / "server.log").open("w") as log:
        server = subprocess.Popen([*command, "--max-model-len", "2048"], stdout=log, stderr=log, env=environment)
    try:
        yield VLLMClient(base_url=f"http://127.0.0.1:{port}", connection_timeout=BACKSTOP_S)
    finally:
        server.terminate()
        server.wait()


def own(model: Any, row: list[int]) -> torch.Tensor:
    """Of all tokens but the first."""
    with torch.no_grad():
        logits_TV = model(torch.tensor([row])).logits[0, :-1]
    return logits_TV.log_softmax(-1).gather(1, torch.tensor(row[1:])[:, None])[:, 0]


def test_its_samples_and_its_numbers_are_the_models(client: VLLMClient, folder: Path) -> None:
    model, tokenizer = load_model(folder, "float32", "cpu"), load_tokenizer(folder)
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("sort: dcba", "a+b=?", "12 34")]
    found = client.generate(prompts, n=4, max_tokens=12)
    assert len(found["completion_ids"]) == 12 and len({tuple(ids) for ids in found["completion_ids"]}) > 3
    for place, (ids, said) in enumerate(zip(found["completion_ids"], found["logprobs"], strict=True)):
        computed = own(model, prompts[place // 4] + ids)[-len(ids) :]
        assert torch.allclose(computed, torch.tensor([one[0] for one in said]), rtol=0, atol=1e-3)
    rows = [prompt + ids for prompt, ids in zip(prompts, found["completion_ids"][::4], strict=True)]
    computed = torch.cat([own(model, row) for row in rows])
    assert torch.allclose(logprobs_by(client, rows), computed, rtol=0, atol=1e-3)
