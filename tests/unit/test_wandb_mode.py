"""When W&B is used and when a run goes on without it: what its own variables mean, what is refused, and what no run is lost
for."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.surroundings import check_places
from ufo_rl.tracking.begin import open_run
from ufo_rl.tracking.excerpt import cell, sample, shares
from ufo_rl.tracking.mode import BY_ENVIRONMENT, check_tracker, has_key, resolved_mode, sync_command
from ufo_rl.tracking.sink import Tracker

LONG = "x" * 65
TRACKER = {"mode": "auto", "project": "ufo-rl", "entity": None, "tags": []}
RECORD = {"wandb_id": "aaaa1111", "display_name": "a", "group": "g", "job_type": "pipeline", "choices": {}}


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


def resolved(mode: str = "auto", project: str = "ufo-rl") -> tuple[str, str]:
    return resolved_mode(mode, project, Path("outputs"))


def test_the_values_of_wandb_mode_are_those_of_wandb() -> None:
    import wandb

    for value, mode in BY_ENVIRONMENT.items():
        theirs = wandb.Settings(mode=value)  # pyright: ignore[reportArgumentType]
        assert (theirs._offline, theirs._noop, theirs._shared) == (mode == "offline", mode == "off", mode == "shared")
    (annotation,) = [field.annotation for name, field in wandb.Settings.model_fields.items() if name == "mode"]
    assert set(annotation.__args__) == set(BY_ENVIRONMENT)  # pyright: ignore


@pytest.mark.parametrize(
    ("value", "with_key", "without"),
    [
        ("", "online", "offline"),
        ("online", "online", "offline"),
        ("run", "online", "offline"),
        ("shared", "shared", "offline"),
        ("offline", "offline", "offline"),
        ("dryrun", "offline", "offline"),
        ("disabled", "off", "off"),
        ("bogus", "off", "off"),
        ("Offline", "off", "off"),
    ],
)
def test_auto_follows_wandb_mode_and_the_key(
    monkeypatch: pytest.MonkeyPatch, value: str, with_key: str, without: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", value)
    assert resolved()[0] == without
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert resolved()[0] == with_key


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WANDB_MODE", "bogus", "WANDB_MODE=bogus must be one of online, run, shared, offline, dryrun, disabled"),
        ("WANDB_MODE", "ofline", 'did you mean "offline"?'),
        ("WANDB_BASE_URL", "my.server", "WANDB_BASE_URL=my.server is not taken by W&B (base_url: "),
        ("WANDB_BASE_URL", "htp://server", "WANDB_BASE_URL=htp://server"),
        ("WANDB_INIT_TIMEOUT", "long", "WANDB_INIT_TIMEOUT=long"),
        ("WANDB_DIR", "file", "WANDB_DIR=file cannot hold W&B's files: "),
        ("WANDB_DIR", "file/below", "is no folder; choose another WANDB_DIR"),
        ("WANDB_API_KEY", " secret", "WANDB_API_KEY is not taken by W&B (API key cannot start or end with whitespace)"),
    ],
)
def test_a_bad_variable_ends_no_run_of_auto_and_is_told_where_wandb_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    monkeypatch.setenv(name, value)
    with open_run(TRACKER, RECORD, {}, tmp_path) as tracker:
        assert tracker._run is None
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("W&B: the run goes on without it: ") and words in line and "\n" not in line
    assert "secret" not in line
    for mode in ("online", "offline"):
        with pytest.raises(UserError) as caught:
            check_tracker(mode, "ufo-rl", [], tmp_path)
        assert words in str(caught.value)
    check_tracker("auto", "ufo-rl", [], tmp_path)
    check_tracker("off", "ufo-rl", [], tmp_path)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_DIR", "/proc/closed")  # nobody writes there, root neither
    with pytest.raises(UserError, match=r"^WANDB_DIR=/proc/closed cannot hold .*: /proc cannot be written to"):
        check_tracker("offline", "ufo-rl", [], tmp_path)


def test_a_file_where_wandbs_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "wandb").write_text("")
    with pytest.raises(UserError, match=r"paths.outputs=.* cannot hold W&B's files: .*/wandb is no folder"):
        check_tracker("offline", "ufo-rl", [], tmp_path)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([f"tracker.tags=[{LONG}]"], 'tracker.tags[0]="xxxx'),
        (["tracker.tags=[a,'']"], 'tracker.tags[1]="" has 0 characters; W&B takes 1 to 64'),
        (["tracker.project=a/b"], 'tracker.project="a/b" must have at most 128 characters and none of'),
        ([f"tracker.project={'p' * 129}"], "tracker.project="),
    ],
)
def test_words_that_wandb_refuses_are_told_before_anything_runs_but_end_no_run_of_auto(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, overrides: list[str], words: str
) -> None:
    (job,) = compose_jobs([*overrides, "tracker=offline", f"paths.outputs={tmp_path}"])
    with pytest.raises(UserError) as caught:
        check_places(load(job.plain))
    assert words in str(caught.value) and len(caught.value.problems) == 1
    (job,) = compose_jobs([*overrides, f"paths.outputs={tmp_path}"])
    check_places(load(job.plain))
    with open_run(job.plain["tracker"], RECORD, {}, tmp_path) as tracker:
        is_tag = "tags" in words
        assert (tracker._run is not None) is is_tag
        assert not is_tag or tracker._run.tags == (("a",) if "[1]" in words else ())
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert words in line and ("a tag is left out" if is_tag else "goes on without it") in line


def test_64_characters_are_a_tag(tmp_path: Path) -> None:
    check_tracker("offline", "ufo-rl", ["x" * 64, "y"], tmp_path)


def test_wandbs_own_variables_name_project_and_team(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_ENTITY", "team")
    (job,) = compose_jobs([])
    assert (job.plain["tracker"]["project"], job.plain["tracker"]["entity"]) == ("theirs", "team")
    (job,) = compose_jobs(["tracker.project=mine"])
    assert job.plain["tracker"]["project"] == "mine"


def test_a_key_of_ones_own_server_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine wandb.lab.org login user password secret\n")
    assert not has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.lab.org")
    assert has_key()


def test_the_sync_command_is_one_that_a_shell_reads(tmp_path: Path) -> None:
    outputs = tmp_path / "my runs; $HOME"
    words = shlex.split(sync_command(outputs, "aaaa1111"))
    assert words == ["wandb", "sync", f"{outputs}/wandb/offline-run-*-aaaa1111"]
    (outputs / ".wandb").mkdir(parents=True)
    assert "/.wandb'/offline-run-*-aaaa1111" in sync_command(outputs, "aaaa1111")


class Failing:
    """A W&B run of which every call raises."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls = error, 0

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> None:
            self.calls += 1
            raise self.error

        return call if name != "summary" else self


def errors_of_wandb() -> list[Exception]:
    import wandb
    from wandb.sdk.lib.service.service_token import WandbServiceConnectionError
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

    own = [wandb.errors.UsageError("used"), wandb.errors.CommError("comm"), wandb.errors.AuthenticationError("auth")]
    service = [WandbServiceConnectionError("service"), MailboxClosedError("closed"), HandleAbandonedError()]
    return [*own, *service, BrokenPipeError("pipe"), OSError(28, "No space left on device"), TimeoutError("late")]


@pytest.mark.parametrize("error", errors_of_wandb(), ids=lambda error: type(error).__name__)
def test_no_error_of_wandbs_stops_a_run_and_each_is_told_once(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    run = Failing(error)
    with Tracker(run) as tracker:
        for step in range(3):
            tracker.feed({"stage": "train", "event": "metrics", "step": step, "reward": 1.0})
    assert run.calls == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("W&B was lost (") and "the run goes on" in line


def test_one_value_that_wandb_does_not_take_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    run = Failing(ValueError("surrogates not allowed"))
    tracker = Tracker(run)
    for step in range(2):
        tracker.feed({"stage": "train", "event": "metrics", "step": step, "reward": 1.0})
    assert run.calls == 2 and "did not take a value (surrogates not allowed)" in caplog.text


def test_small_tables_are_whole_and_large_ones_keep_both_ends_of_kept_and_others() -> None:
    assert sample([0.3, 0.1, 0.2]) == [1, 2, 0]
    pool = 7473  # GSM8K, of which 10 % are kept
    assert sample(list(range(pool)), [row % 10 == 0 for row in range(pool)]) == list(range(pool))
    kept = [row % 10 == 0 for row in range(20_000)]
    rows = sample(list(range(20_000)), kept)
    assert rows == sorted(set(rows)) and len(rows) == 2000 and sum(kept[row] for row in rows) == 1000
    assert rows[:250] == list(range(250)) and rows[-250:] == list(range(19_750, 20_000))  # the ends of the pool
    few = [row < 40 for row in range(20_000)]  # all kept ones where they are few
    rows = sample(list(range(20_000)), few)
    assert len(rows) == 1040 and rows[:40] == list(range(40))


def test_the_share_of_a_sample_is_counted() -> None:
    whole = {"id": ["a", "b", "c"], "kept": [True, True, False]}
    assert shares({"id": ["a"], "kept": [True]}, whole) == {"rows": 1, "of_rows": 3, "kept": 1, "of_kept": 2}


def test_cells_of_carried_columns_are_texts() -> None:
    assert cell({"a": [1]}) == '{"a": [1]}' and cell(float("nan")) is None and cell("x" * 600) == "x" * 500
