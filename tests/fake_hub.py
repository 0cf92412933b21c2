"""A Hugging Face hub of two repositories on 127.0.0.1, as much of it as downloads need."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

CUT = 12_000_000  # the library writes 10 MiB at a time
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves `files`, by repository (`models/owner/name`, `datasets/owner/name`) and name, until it is closed.

    refusal: status and error code with which everything is refused, as of a gated repository. num_cuts: how many replies of
    more than CUT bytes end there, while they say that they are longer.
    """

    def __init__(
        self, files: Mapping[str, Mapping[str, bytes]], refusal: tuple[int, str] | None = None, num_cuts: int = 0
    ) -> None:
        self.files, self.refusal, self.num_cuts = files, refusal, num_cuts
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range", "")
                hub.requests.append(f"{self.command} {self.path} {asked}".strip())
                status, body, headers = hub.answer(unquote(urlsplit(self.path).path))
                if status == 200 and asked:
                    start = int(asked.removeprefix("bytes=").partition("-")[0])
                    headers = {**headers, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
                    status, body = 206, body[start:]
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(hub.sent(body))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hub.requests.append(f"POST {self.path} {body!r}")
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def sent(self, body: bytes) -> bytes:
        """What of a reply leaves before the connection is cut."""
        if len(body) <= CUT or not self.num_cuts:
            return body
        self.num_cuts -= 1
        return body[:CUT]

    def close(self) -> None:
        """Twice does no harm."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        if self.refusal is not None:
            return self.refusal[0], b"", {"X-Error-Code": self.refusal[1], "X-Error-Message": "ask for access"}
        for repository, files in self.files.items():
            name = repository.partition("/")[2]
            if path in (
                f"/api/{repository}",
                f"/api/{repository}/revision/main",
                f"/api/{repository}/revision/{COMMIT}",
            ):
                about = {"id": name, "sha": COMMIT, "private": False, "gated": False, "disabled": False, "tags": []}
                about["siblings"] = [{"rfilename": file} for file in files]
                return 200, json.dumps(about).encode(), {"Content-Type": "application/json"}
            if path == f"/api/{repository}/tree/{COMMIT}":
                tree = [
                    {"type": "file", "path": file, "size": len(data), "oid": _hash(data)}
                    for file, data in files.items()
                ]
                return 200, json.dumps(tree).encode(), {"Content-Type": "application/json"}
            web = repository.removeprefix("models/")
            for file, data in files.items():
                if path in (f"/{web}/resolve/{COMMIT}/{file}", f"/{web}/resolve/main/{file}"):
                    return 200, data, {"ETag": f'"{_hash(data)}"', "X-Repo-Commit": COMMIT}
        return 404, b"", {"X-Error-Code": "EntryNotFound"}


def _hash(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
