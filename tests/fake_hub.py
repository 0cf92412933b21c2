"""A Hugging Face hub of two repositories on 127.0.0.1, as much of it as downloads need."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves `files`, by repository (`models/owner/name`, `datasets/owner/name`) and name, until it is closed."""

    def __init__(self, files: Mapping[str, Mapping[str, bytes]]) -> None:
        self.files = files
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requests.append(f"{self.command} {self.path}")
                status, body, headers = hub.answer(unquote(urlsplit(self.path).path))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

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

    def close(self) -> None:
        """Twice does no harm."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
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
