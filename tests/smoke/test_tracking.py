"""Real offline W&B runs, read back with wandb's own reader: `python -m wandb leet inspect --json`."""

from __future__ import annotations

import http.server
import json
import math
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ufo_rl.errors import UserError
from ufo_rl.tracking.begin import open_run
from ufo_rl.tracking.excerpt import sample_scores
from ufo_rl.tracking.mode import MODES, has_key, sync_command

pytestmark = pytest.mark.smoke

CONFIG = {
    "model": {"name": "tiny", "path": "tiny"},
    "dataset": {"name": "arithmetic"},
    "selector": {"name": "ufo"},
    "ratio": {"value": 0.1},
    "seed": 3,
    "train": {"learning_rate": 1e-6},
}
TRACKER = {"mode": "offline", "project": "ufo-rl", "entity": None, "tags": ["smoke", "tiny"]}
LINES = [
    {"time": 1.0, "stage": "score", "attempt": 1, "event": "progress", "done": 64, "total": 128},
    {"time": 1.0, "stage": "score", "attempt": 1, "event": "progress", "done": 128, "total": 128},
    {"time": 1.5, "stage": "score", "attempt": 1, "event": "end", "seconds": 1.25},
    {"time": 2.0, "stage": "base_eval", "event": "metrics", "benchmark": "math500", "step": 0, "accuracy": 0.25},
    {"time": 3.0, "stage": "train", "attempt": 1, "event": "start", "max_steps": 2},
    {"time": 3.0, "stage": "train", "attempt": 1, "event": "metrics", "step": 1, "reward": 0.5, "kl": "nan"},
    {"time": 4.0, "stage": "train", "attempt": 1, "event": "metrics", "step": 2, "reward": 0.75,
     "completions/mean_length": 12.5},
    {"time": 5.0, "stage": "eval", "attempt": 1, "event": "progress", "done": 250},
    {"time": 6.0, "stage": "eval", "attempt": 1, "event": "metrics", "benchmark": "math500", "step": 2,
     "accuracy": 0.5},
]  # fmt: skip


def record(wandb_id: str) -> dict[str, Any]:
    return {
        "display_name": f"tiny-arithmetic-ufo-10pct-s3-{wandb_id}",
        "name": "demo",
        "group": "demo",
        "job_type": "pipeline",
        "wandb_id": wandb_id,
        "choices": {"selector": "ufo", "ratio": "10pct"},
        "command": "ufo-rl model=tiny",
    }


def records_of(outputs: Path, wandb_id: str) -> list[dict[str, Any]]:
    (path,) = (outputs / "wandb").glob(f"offline-run-*/run-{wandb_id}.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def history_of(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["history"]["item"] for one in records if one["type"] == "history"]


def summary_of(records: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in records:
        if one["type"] == "summary":
            found |= one["summary"].get("update", {})
    return found


def table_of(outputs: Path, wandb_id: str, history: list[dict[str, Any]], key: str) -> dict[str, Any]:
    (where,) = [item[f"{key}.path"] for item in history if f"{key}.path" in item]
    (path,) = (outputs / "wandb").glob(f"offline-run-*-{wandb_id}/files/{where}")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """One run that finished and one that raised, logged by one process; and every connection it opened."""
    folder = tmp_path_factory.mktemp("tracking")
    outputs = folder / "outputs"
    num_prompts = 12_000
    confidence = [(i + 0.5) / num_prompts for i in range(num_prompts)]
    confidence[7] = float("nan")
    scores = {
        "id": [f"{i:016x}" for i in range(num_prompts)],
        "confidence": confidence,
        "kept": [i % 10 == 0 for i in range(num_prompts)],
    }
    pq.write_table(pa.table(scores), folder / "scores.parquet")
    questions = {"id": ["a", "b"], "question": ["x" * 900, "1+1"], "correct": [True, False]}
    pq.write_table(pa.table(questions), folder / "questions.parquet")

    connections: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            connection, _ = server.accept()
            connections.append(connection.recv(200))
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    address = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
            patch.setenv(name, "")  # so that the fixture puts back what open_run sets
            del os.environ[name]
        # whoever looks for the W&B server meets this listener
        for name in ("WANDB_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            patch.setenv(name, address)
        with open_run(TRACKER, record("aaaa1111"), CONFIG, outputs) as tracker:
            for line in LINES:
                tracker.feed(line)
            tracker.scores(folder / "scores.parquet", {"0" * 16: "What is 1+1?"}, ("confidence",), list(scores))
            tracker.questions("math500", folder / "questions.parquet")
            tracker.summary({"math500_final": 0.5, "seconds": {"train": 9.5}, "spearman": None})
        other = {**CONFIG, "seed": 4}
        with (
            pytest.raises(RuntimeError, match="planted"),
            open_run(TRACKER, record("bbbb2222"), other, outputs) as tracker,
        ):
            tracker.feed({**LINES[8], "step": 7})  # of a run that goes on where its training had ended, or paused
            tracker.feed(LINES[5])
            raise RuntimeError("planted")
    return outputs, connections


@pytest.fixture(scope="module")
def finished(logged):
    return records_of(logged[0], "aaaa1111")


def test_identity_of_the_run(finished):
    run = next(one["run"] for one in finished if one["type"] == "run")
    assert (run["run_id"], run["run_group"], run["job_type"]) == ("aaaa1111", "demo", "pipeline")
    assert (run["project"], run["display_name"]) == ("ufo-rl", "tiny-arithmetic-ufo-10pct-s3-aaaa1111")
    assert sorted(run["tags"]) == ["arithmetic", "smoke", "tiny", "ufo"]
    config = run["config"]["update"]
    assert (config["seed"], config["ratio"], config["selector"]) == (3, {"value": 0.1}, {"name": "ufo"})
    assert (config["choice/selector"], config["choice/ratio"]) == ("ufo", "10pct")
    assert config["run"]["command"] == "ufo-rl model=tiny"


def test_an_evaluation_stands_at_its_own_step_also_where_no_step_was_told_before(logged):
    history = history_of(records_of(logged[0], "bbbb2222"))
    assert [one["train/global_step"] for one in history if "eval/math500_accuracy" in one] == [7]


def test_every_stage_has_values_on_its_own_axis(finished):
    history = history_of(finished)

    def points(axis: str, name: str) -> list[tuple[float, float]]:
        return [(item[axis], item[name]) for item in history if name in item]

    assert [item["score/prompts"] for item in history if "score/prompts" in item][:2] == [64, 128]
    assert points("score/prompts", "score/seconds") == [(128, 1.25)]
    assert points("train/global_step", "train/reward") == [(1, 0.5), (2, 0.75)]
    assert points("train/global_step", "train/completions/mean_length") == [(2, 12.5)]
    assert points("train/global_step", "eval/math500_accuracy") == [(0, 0.25), (2, 0.5)]
    assert not any(key.endswith(("done", "total", "max_steps", "attempt", "/time")) for item in history for key in item)
    assert [item["train/kl"] for item in history if "train/kl" in item] in (
        ["NaN"],
        [pytest.approx(math.nan, nan_ok=True)],
    )
    metrics = [one["metric"] for one in finished if one["type"] == "metric"]
    axes = {one["glob_name"]: one["step_metric"] for one in metrics if "glob_name" in one}
    expected = {"score/*": "score/prompts", "train/*": "train/global_step", "eval/*": "train/global_step"}
    assert axes == expected


def test_histogram_counts_every_finite_score(finished):
    history = history_of(finished)
    item = next(item for item in history if "score/confidence._type" in item)
    assert item["score/confidence._type"] == "histogram"
    values = item["score/confidence.values"]
    counts = json.loads(values) if isinstance(values, str) else values
    assert sum(counts) == 11_999


def test_selection_table_is_a_sample_of_kept_and_others_with_both_ends(logged, finished):
    table = table_of(logged[0], "aaaa1111", history_of(finished), "select/prompts")
    assert table["columns"] == ["id", "confidence", "kept", "question"]
    rows = table["data"]
    assert [sum(row[2] is side for row in rows) for side in (True, False)] == [1000, 1000]
    assert rows[0] == ["0" * 16, 0.5 / 12_000, True, "What is 1+1?"]
    # ascending: rows 0 to 9 without the NaN of row 7 are the lowest; the NaN stands last, as None
    assert [row[0] for row in rows[:9]] == [f"{i:016x}" for i in range(10) if i != 7]
    assert rows[-1][:2] == [f"{7:016x}", None]
    assert rows[-2][0] == f"{11_999:016x}"


def test_the_summary_says_of_how_many_rows_the_table_is_a_sample(finished):
    summary = summary_of(finished)
    assert (summary["select_table_rows"], summary["select_table_of_rows"]) == (2000, 12_000)
    assert (summary["select_table_kept"], summary["select_table_of_kept"]) == (1000, 1200)


def test_question_table_cuts_long_cells(logged, finished):
    table = table_of(logged[0], "aaaa1111", history_of(finished), "eval/math500_questions")
    assert table["columns"] == ["id", "question", "correct"]
    assert table["data"] == [["a", "x" * 500, True], ["b", "1+1", False]]


def test_summary_is_flat_and_the_run_is_finished(finished):
    summary = summary_of(finished)
    assert (summary["math500_final"], summary["seconds_train"], summary["status"]) == (0.5, 9.5, "completed")
    assert "spearman" not in summary
    assert next(one["exit"] for one in finished if one["type"] == "exit").get("exit_code", 0) == 0


def test_a_run_that_raised_is_failed_and_has_its_own_id_and_config(logged):
    records = records_of(logged[0], "bbbb2222")
    run = next(one["run"] for one in records if one["type"] == "run")
    assert (run["run_id"], run["config"]["update"]["seed"]) == ("bbbb2222", 4)
    assert next(one["exit"] for one in records if one["type"] == "exit")["exit_code"] == 1
    assert [item["train/reward"] for item in history_of(records) if "train/reward" in item] == [0.5]


def test_offline_opens_no_connection_and_keeps_its_files_in_outputs(logged):
    outputs, connections = logged
    assert connections == []
    assert (outputs / "wandb" / "data" / "artifacts" / "staging").is_dir()
    assert (outputs / "wandb" / "cache").is_dir()


@pytest.fixture
def no_key(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path


def test_a_key_is_found_in_the_environment_or_netrc(no_key, monkeypatch):
    assert not has_key()
    (no_key / "netrc").write_text("machine example.org login user password secret\n")
    assert not has_key()
    (no_key / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    assert has_key()
    (no_key / "netrc").write_text("not a netrc\n")
    assert not has_key()
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert has_key()


def test_auto_without_a_key_says_so_in_one_line_with_the_sync_command(no_key, caplog):
    with caplog.at_level("INFO"), open_run({**TRACKER, "mode": "auto"}, record("cccc3333"), CONFIG, no_key):
        pass
    (message,) = [one.getMessage() for one in caplog.records if one.name == "ufo_rl.tracking.begin"]
    assert "\n" not in message and "no key" in message
    assert message.endswith(sync_command(no_key, "cccc3333"))
    assert list(no_key.glob("wandb/offline-run-*-cccc3333"))


def test_online_without_a_key_is_the_users_mistake(no_key):
    with pytest.raises(UserError, match=r"tracker.mode=online.*tracker=offline"):
        open_run({**TRACKER, "mode": "online"}, record("eeee5555"), CONFIG, no_key)


def test_an_unknown_mode_names_the_allowed_ones(no_key):
    with pytest.raises(UserError, match=r"tracker.mode=onlin: allowed are auto, online, offline, off"):
        open_run({**TRACKER, "mode": "onlin"}, record("ffff6666"), CONFIG, no_key)
    assert {path.stem for path in (Path(__file__).parents[2] / "conf" / "tracker").glob("*.yaml")} == set(MODES)


def run_program(program: str, folder: Path, wandb_id: str, tracker: dict[str, Any], **variables: str) -> str:
    """What a program of its own prints: `start()` in it opens a run in `folder`."""
    beginning = (
        "import json, logging, os, signal, subprocess, sys, time; from pathlib import Path\n"
        "from ufo_rl.tracking.begin import open_run\n"
        "logging.basicConfig(stream=sys.stdout)\n"
        "def start(): return open_run(*json.loads(sys.argv[1]), Path('.'))\n"
    )
    argument = json.dumps([tracker, record(wandb_id), CONFIG])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    command = [sys.executable, "-c", beginning + program, argument]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder, env=environment).stdout


def test_off_writes_nothing_and_never_imports_wandb(tmp_path):
    program = (
        "with start() as tracker:\n"
        "    tracker.feed({'stage': 'train', 'event': 'metrics', 'step': 1, 'reward': 1.0})\n"
        "    tracker.scores(Path('missing'), {}, (), ()); tracker.questions('b', Path('missing'))\n"
        "    tracker.summary({'a': 1})\n"
        "assert 'wandb' not in sys.modules\n"
    )
    run_program(program, tmp_path, "abcd0000", {**TRACKER, "mode": "off"})
    assert not list(tmp_path.iterdir())


def test_auto_with_a_key_that_the_server_refuses_goes_offline(no_key):
    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    program = "with start() as tracker: tracker.summary({'a': 1})\n"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        variables = {"WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
        output = run_program(program, no_key, "dddd4444", {**TRACKER, "mode": "auto"}, **variables)
        server.shutdown()
    assert output.count("W&B: no server") == 1 and "wandb sync wandb/offline-run-*-dddd4444" in output
    types = [one["type"] for one in records_of(no_key, "dddd4444")]
    assert "summary" in types and "exit" in types


def test_losing_wandb_does_not_stop_the_run(no_key):
    program = (
        "with start() as tracker:\n"
        "    ps = ['ps', '--ppid', str(os.getpid()), '-o', 'pid=,comm=']\n"
        "    rows = subprocess.run(ps, capture_output=True, text=True).stdout.splitlines()\n"
        "    (core,) = [row.split()[0] for row in rows if 'wandb' in row]\n"
        "    os.kill(int(core), signal.SIGKILL)\n"
        "    for step in range(3000):\n"
        "        if step >= 3 and tracker._run is None:\n"
        "            break\n"
        "        time.sleep(0.2)\n"
        "        tracker.feed({'stage': 'train', 'event': 'metrics', 'step': step, 'reward': 1.0})\n"
        "print('the run went on')\n"
    )
    output = run_program(program, no_key, "aaaa7777", TRACKER)
    assert "the run went on" in output
    assert output.count("W&B was lost") == 1


def test_the_table_is_ordered_by_the_first_signal_that_there_is_or_by_id():
    columns = {"id": ["b", "a", "c"], "pass_rate": [0.5, None, 0.25], "kept": [True, False, True]}
    table = sample_scores(columns, {"c": "1+1"}, ("confidence", "pass_rate"))
    assert table["id"] == ["c", "b", "a"] and table["question"] == ["1+1", "", ""]
    assert sample_scores({"id": ["b", "a"]}, {}, ("confidence",)) == {"id": ["a", "b"], "question": ["", ""]}
