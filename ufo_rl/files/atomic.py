"""Files that are whole or absent: keys, atomic writes, published folders, locks."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ufo_rl.errors import UserError

MANIFEST = "manifest.json"
LOCK = ".lock"  # in a folder: held by who works in it
log = logging.getLogger(__name__)


def why_unusable(folder: Path) -> str:
    """Why nothing can be written into a folder, there or to be made, "" where it can."""
    path = folder.absolute()
    try:
        there = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # too long, or characters that no path can have
        return f"{getattr(error, 'strerror', None) or error}"
    if there.is_symlink() and not there.exists():
        return f"{there} is a link to nothing ({os.readlink(there)})"
    if not there.is_dir():
        return f"{there} is no folder"
    try:
        with tempfile.TemporaryDirectory(dir=there, prefix=".ufo-rl-"):  # rights say not all: disks can be read-only
            return ""
    except OSError as error:
        return f"{there} cannot be written to ({error.strerror})"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, renamed to `path` when the block succeeds, removed when it fails."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; nothing half-written was kept") from error
    finally:
        with contextlib.suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with writing(path) as temporary:
        # A path that is no UTF-8 holds what UTF-8 cannot say; JSON reads its escape as that again.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The parsed file; a UserError names a file that is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # bad JSON, or bytes that are no text
        raise UserError(f"{path} is not valid JSON ({error}); remove it to have it written again") from error


def write_table(path: Path, table: pa.Table) -> None:
    with writing(path) as temporary:
        pq.write_table(table, temporary)


def manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a published folder; None where nothing was published."""
    path = folder / MANIFEST
    return read_json(path) if path.is_file() else None


@contextlib.contextmanager
def publish(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Write into the yielded temporary folder and fill the yielded manifest; both appear as `folder` at once.

    An older `folder` is replaced. After a failure or a kill nothing is published."""
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    remove_leftovers(folder)
    temporary.mkdir(parents=True)
    content: dict[str, Any] = {}
    try:
        yield temporary, content
        write_json(temporary / MANIFEST, content)
        for path in temporary.rglob("*"):
            if path.is_file():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary folders that a killed process left beside `folder`."""
    for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock on `path`, as far as this host can see; nothing is changed. Whoever asks for the lock at
    this very moment waits for an instant longer."""
    import fcntl

    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file
        return False
    return False


@contextlib.contextmanager
def locked(path: Path, purpose: str, waits: bool = True) -> Iterator[None]:
    """Hold an operating-system lock on `path` (freed by the system when the holder dies); says so when it must wait.
    UserError if it is held and nobody `waits`."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not waits:
            raise UserError(f"{purpose} is in use") from None
        log.info("another job is busy with %s; waiting for it", purpose)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
