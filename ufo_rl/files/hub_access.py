"""The way to the Hugging Face hub: whether there is one, found out in seconds, and no line of log for each request."""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys
import threading
from urllib.parse import urlsplit

WAIT_S = 10.0  # for a name to be found and a connection to be made
OFFLINE = "HF_HUB_OFFLINE"  # the libraries' own switch: what was fetched before is used, nothing is asked for
ENDPOINT = "https://huggingface.co"
CHATTY = ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3", "filelock", "fsspec", "huggingface_hub")


def quiet_requests() -> None:
    """The libraries that talk to the hub log warnings alone, not a line for each request."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


@functools.cache
def offline_problem() -> str:
    """Why the hub cannot be reached, "" if it can. Where it cannot, the libraries go offline: they would try for half a
    minute, and they use what they fetched before."""
    if os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE"):
        return f"{OFFLINE}={os.environ[OFFLINE]} is set, and it was not fetched before"
    endpoint = os.environ.get("HF_ENDPOINT", ENDPOINT)
    if not (reason := _connection_problem(endpoint)):
        return ""
    _go_offline()
    return f"{endpoint} cannot be reached ({reason}), and it was not fetched before"


def why_refused(error: Exception) -> str:
    """What the hub's own error means, in a line."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", None)
    said = f" (status {status})" if status is not None else ""
    if isinstance(error, GatedRepoError):  # before the next one, of which it is a kind
        return f"it is gated{said}: ask for access on its page"
    if isinstance(error, RevisionNotFoundError):
        return f"it has no such revision{said}"
    if isinstance(error, RepositoryNotFoundError):
        return f"there is none of this name, or it is private{said}"
    return " ".join(str(error).split("\n\n")[0].split()) or type(error).__name__


def _connection_problem(endpoint: str) -> str:
    """What comes of a connection to the endpoint or the proxy that leads to it, "" for a good one."""
    from urllib.request import getproxies, proxy_bypass  # takes as long to import as --help does to answer

    url = urlsplit(endpoint)
    proxy = "" if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme, getproxies().get("all", ""))
    if proxy:
        url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    found = [f"no answer within {WAIT_S:g} s"]

    def connect() -> None:
        try:
            address = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
            socket.create_connection(address, timeout=WAIT_S).close()
            found[0] = ""
        except (OSError, ValueError) as error:
            found[0] = str(error.strerror or error) if isinstance(error, OSError) else str(error)

    trying = threading.Thread(target=connect, daemon=True)  # looking a name up has no time limit of its own
    trying.start()
    trying.join(WAIT_S)
    return found[0]


def _go_offline() -> None:
    """For the libraries that will be imported, in this process and those it starts, and for those that are already."""
    os.environ[OFFLINE] = "1"
    for module in ("huggingface_hub.constants", "datasets.config"):
        if module in sys.modules:
            setattr(sys.modules[module], OFFLINE, True)
