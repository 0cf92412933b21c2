"""Whether W&B is online, offline or off: what the configuration asks, what W&B's own variables say, and what it would
refuse of both."""

from __future__ import annotations

import netrc
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from ufo_rl.errors import UserError, nearest
from ufo_rl.files.atomic import why_unusable

MODES = ("auto", "online", "offline", "off")
# Values of WANDB_MODE, as wandb.Settings has them: `run` is online, `dryrun` offline, `shared` online with several writers.
BY_ENVIRONMENT = {
    "online": "online",
    "run": "online",
    "shared": "shared",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "off",
}
SECRET = ("KEY", "TOKEN", "PASSWORD", "HEADERS")  # variables whose values are not shown
MAX_TAG_CHARS, MAX_PROJECT_CHARS, NOT_IN_A_PROJECT = 64, 128, "/\\#?%:"  # W&B's limits
MAX_SHOWN_CHARS = 40


def check_tracker(mode: str, project: str, tags: Sequence[str], outputs: Path) -> None:
    """UserError for an unknown tracker.mode, and with all that would keep W&B from starting where it is asked for by name;
    auto goes on without it."""
    if mode not in MODES:
        raise UserError(f"tracker.mode={mode}: allowed are {', '.join(MODES)}")
    if mode not in ("online", "offline"):
        return
    problems = [*project_problems(project), *tag_problems(tags), *environment_problems(outputs)]
    if not problems and mode == "online" and not has_key():
        problems = ["tracker.mode=online: no W&B key; run `wandb login`, set WANDB_API_KEY, or use tracker=offline"]
    if problems:
        raise UserError(*problems)


def resolved_mode(asked: str, project: str, outputs: Path) -> tuple[str, str]:
    """What wandb.init is given as mode, or off, for tracker.mode; and why auto came to offline or off, "" where it was
    wished."""
    drop_empty_variables()
    if asked != "auto":
        return asked, ""
    wish = os.environ.get("WANDB_MODE", "")
    if BY_ENVIRONMENT.get(wish) == "off":
        return "off", ""
    problems = [*environment_problems(outputs), *project_problems(project)]
    if problems:
        return "off", "; ".join(problems)
    if BY_ENVIRONMENT.get(wish) == "offline":
        return "offline", ""
    return (BY_ENVIRONMENT.get(wish, "online"), "") if has_key() else ("offline", "no key configured")


def project_problems(project: str) -> list[str]:
    """What W&B would refuse of a project's name."""
    if len(project) <= MAX_PROJECT_CHARS and not set(project) & set(NOT_IN_A_PROJECT):
        return []
    return [
        f'tracker.project="{_short(project)}" must have at most {MAX_PROJECT_CHARS} characters and none of '
        f"{NOT_IN_A_PROJECT}"
    ]


def tag_problems(tags: Sequence[str]) -> list[str]:
    """What W&B would refuse of tags, a sentence for each wrong one."""
    return [
        f'tracker.tags[{i}]="{_short(tag)}" has {len(tag)} characters; W&B takes 1 to {MAX_TAG_CHARS}'
        for i, tag in enumerate(tags)
        if not is_tag(tag)
    ]


def is_tag(text: str) -> bool:
    return 1 <= len(text) <= MAX_TAG_CHARS


def environment_problems(outputs: Path) -> list[str]:
    """What W&B would refuse of its variables, each with its name; and a folder for its files that cannot be used."""
    import wandb

    problems = []
    for name, value in sorted(os.environ.items()):
        if not name.startswith("WANDB_") or not value:
            continue
        shown = name if any(word in name for word in SECRET) else f"{name}={_short(value)}"
        if name == "WANDB_MODE" and value not in BY_ENVIRONMENT:
            known = ", ".join(BY_ENVIRONMENT)
            problems.append(f"{shown} must be one of {known}{nearest(value, BY_ENVIRONMENT)}")
            continue
        try:
            wandb.Settings().update_from_env_vars({name: value})
        except Exception as error:  # W&B's, pydantic's or a library's: each says what is wrong with the value
            problems.append(f"{shown} is not taken by W&B ({reason(error)})")
    return problems + _folder_problems(outputs)


def _folder_problems(outputs: Path) -> list[str]:
    folder, own = files_folder(outputs), os.environ.get("WANDB_DIR")
    if not own and not os.path.lexists(folder):  # paths.outputs itself is checked by others
        return []
    key = f"WANDB_DIR={own}" if own else f"paths.outputs={outputs}"
    why = why_unusable(folder)
    return [f"{key} cannot hold W&B's files: {why}; choose another WANDB_DIR, or tracker=off"] if why else []


def drop_empty_variables() -> None:
    """A variable of W&B's that is set to nothing counts as not set; W&B itself refuses some of them."""
    for name in [name for name, value in os.environ.items() if name.startswith("WANDB_") and not value]:
        del os.environ[name]


def has_key() -> bool:
    """True if a W&B key is configured: WANDB_API_KEY, an identity token file, or the server's netrc entry."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    # `wandb login` of earlier versions wrote the second host; wandb reads both.
    server = os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url
    hosts = (urlsplit(server).netloc, "api.wandb.ai")
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        entries = netrc.netrc(path)
    except (OSError, ValueError, netrc.NetrcParseError):  # ValueError: bytes that are no text
        return False
    return any(entries.authenticators(host) for host in hosts)


def root_folder(outputs: Path) -> Path:
    """The folder that W&B keeps its own in: `outputs`, unless the user set WANDB_DIR."""
    return Path(os.environ.get("WANDB_DIR") or outputs).expanduser()


def files_folder(outputs: Path) -> Path:
    """The folder of the runs' files; W&B takes `.wandb` where there is one."""
    root = root_folder(outputs)
    return root / (".wandb" if (root / ".wandb").exists() else "wandb")


def sync_command(outputs: Path, wandb_id: str) -> str:
    """The command that sends the offline files of one run, all its attempts, to the server; a shell's, with its pattern."""
    return f"wandb sync {shlex.quote(str(files_folder(outputs)))}/offline-run-*-{wandb_id}"


def reason(error: BaseException) -> str:
    """An error of W&B's in one line."""
    if isinstance(error, ValidationError):
        told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        return "; ".join(dict.fromkeys(told))
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."
