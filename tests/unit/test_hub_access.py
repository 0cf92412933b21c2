"""Whether there is a way to the hub is known in seconds, and without one nothing is tried that takes longer."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator

import datasets
import huggingface_hub
import pytest

from ufo_rl.config.schema import Model
from ufo_rl.dataset.hub import HubDataset
from ufo_rl.errors import UserError
from ufo_rl.files import hub_access
from ufo_rl.files.hub_access import offline_problem, quiet_requests
from ufo_rl.model.weights import fetch


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(hub_access.OFFLINE, "")
    monkeypatch.setattr(huggingface_hub.constants, hub_access.OFFLINE, False)
    monkeypatch.setattr(datasets.config, hub_access.OFFLINE, False)
    offline_problem.cache_clear()
    yield
    offline_problem.cache_clear()


def test_a_hub_that_listens_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert offline_problem() == ""
        monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:9")  # where nothing listens; this host is no matter of a proxy
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        offline_problem.cache_clear()
        assert offline_problem() == "" and not os.environ[hub_access.OFFLINE]


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("http://127.0.0.1:9", "Connection refused"),
        ("https://no-such-host.invalid", ""),
        ("http://127.0.0.1:port", "port"),
    ],
)
def test_without_a_way_the_libraries_go_offline_at_once(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, reason: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    begun = time.monotonic()
    assert f"{endpoint} cannot be reached (" in offline_problem() and reason in offline_problem()
    assert time.monotonic() - begun < hub_access.WAIT_S + 20  # the libraries' own tries take longer
    assert os.environ[hub_access.OFFLINE] == "1"
    assert huggingface_hub.constants.HF_HUB_OFFLINE and datasets.config.HF_HUB_OFFLINE


def test_what_was_not_fetched_before_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.raises(
        UserError, match=r"^model.path=lab/other .*: http://127.0.0.1:9 cannot be reached .Connection ref"
    ):
        fetch(Model(name="x", path="lab/other", revision=None, dtype="float32", max_completion_tokens=5))
    columns = {"question": "question", "answer": "answer"}
    hub = HubDataset("lab/sums", None, "test", None, "sums.jsonl", columns, None)
    with pytest.raises(
        UserError, match=r"^dataset lab/sums .test. .*: http://127.0.0.1:9 cannot .*UFO_RL_DATA.*sums.jsonl"
    ):
        hub.load()
    assert time.monotonic() - begun < 10  # before: half a minute each


def test_a_proxy_that_is_not_there_is_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", "https://huggingface.co")
    assert "Connection refused" in offline_problem()


def test_requests_are_not_logged_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    library = huggingface_hub.utils._http.hf_raise_for_status.__globals__
    logger = logging.getLogger(next(name for name in ("httpx2", "httpx") if name in library))  # the one that it uses
    before = logger.level
    try:
        with caplog.at_level(logging.INFO):
            quiet_requests()
            logger.info("HTTP Request")
            logger.warning("slow")
        assert caplog.messages == ["slow"]
    finally:
        logger.setLevel(before)
