"""A real hub on loopback (olah) that serves repositories made from the local datasets and the lab's model."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hub.repositories import MODEL, publish_datasets, publish_model
from tests.waiting import wait_until

SERVER = Path(os.environ.get("UFO_HUB", Path(__file__).parents[2] / ".venv-hub/bin/olah-cli"))
SETTINGS = """
[basic]
host = "127.0.0.1"
port = {port}
repos-path = "{root}/.repos"
mirrors-path = ["{root}"]
[accessibility]
offline = true
"""


@dataclass(frozen=True)
class Hub:
    """A server of the repositories below `root`; `commit` is the model's first."""

    root: Path
    url: str
    commit: str

    @property
    def model(self) -> Path:
        return self.root / "models" / MODEL

    def places(self, home: Path) -> dict[str, str]:
        """Variables of a command that has this hub and a cache of its own."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": ""}


@pytest.fixture(scope="session")
def hub(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    if not SERVER.is_file():
        pytest.fail(f"no hub to start: {SERVER} is not there; make test-hub installs it")
    root = tmp_path_factory.mktemp("hub")
    publish_datasets(shared_data, root)
    made = publish_model(root)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (root / ".repos").mkdir()
    (root / ".olah.toml").write_text(SETTINGS.format(port=port, root=root))
    words = [str(SERVER), "-c", str(root / ".olah.toml"), "--log-path", str(root)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: answers(url))
        yield Hub(root, url, made)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/models/{MODEL}/revision/main", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False
