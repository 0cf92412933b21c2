"""`ufo-rl doctor`: is this set-up stable enough to trust its selection? Scores a sample of the user's pool in several ways.

Batch sizes, precisions and engines must not decide who is kept. The reference is float32, one prompt at a time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ufo_rl.check import compose_jobs
from ufo_rl.config import load
from ufo_rl.launch import run_stage
from ufo_rl.model import fetch, load_tokenizer
from ufo_rl.prepare import prepare
from ufo_rl.progress import Progress
from ufo_rl.prompts import accepts_system_role, messages, render, scored_text
from ufo_rl.records import UserError
from ufo_rl.report.text import table
from ufo_rl.scoring import Row
from ufo_rl.selection import select
from ufo_rl.spool import write_rows

SAMPLE = 512  # prompts
KEPT = 0.1  # the share whose overlap is reported
STABLE = 0.01  # of the kept prompts may differ
REFERENCE = "float32, batch 1"


def doctor(overrides: Sequence[str]) -> str:
    """The report for one configuration. UserError where the selector does not use confidence."""
    (job,) = compose_jobs(overrides)
    config = load(job.plain)
    prepared = prepare(config)
    if config.signal.confidence is None or "confidence" not in prepared.selector.signals:
        raise UserError(f"selector={config.selector.get('name')} does not use confidence: there is nothing to examine")
    if config.signal.confidence.target == "response":
        raise UserError("signal.confidence.target=response: doctor examines the targets answer, solution and question")
    prompts = prepared.pool.prompts
    if len(prompts) > SAMPLE:
        prompts = Random(0).sample(prompts, SAMPLE)
    sys.stderr.write(f"scoring {len(prompts)} of {len(prepared.pool.prompts)} prompts in several ways ...\n")
    folder = fetch(config.model)
    tokenizer = load_tokenizer(folder)
    has_system = accepts_system_role(tokenizer)
    rows = []
    for prompt in prompts:
        text = render(tokenizer, messages(config.template, prompt.question, has_system))
        rows.append(Row.of(prompt.id, *scored_text(config.signal.confidence.target, text, prompt), prompt.answer))
    with tempfile.TemporaryDirectory() as work:
        found = _score(job.plain, folder, rows, Path(work))
    return _report(found, np.array([row.id for row in rows]), prepared.selector, config.seed)


def _score(plain: dict[str, Any], model: Path, rows: list[Row], work: Path) -> dict[str, dict[str, Any]]:
    write_rows(work / "rows.jsonl", (asdict(row) for row in rows))
    plain = {**plain, "launch": {**plain["launch"], "num_ranks": 1, "num_nodes": 1}}
    request = {
        "kind": "doctor",
        "config": plain,
        "model": str(model),
        "rows": str(work / "rows.jsonl"),
        "attempt": 1,
        "journal": str(work / "metrics.jsonl"),
    }
    shown = Progress("doctor")

    def follow(line: dict[str, Any]) -> None:
        if line["event"] == "progress":
            shown.update(line["done"], line["total"], line["unit"])

    try:
        (result,) = run_stage("doctor", request, work, load(plain).launch, follow)
    finally:
        shown.close()
    return result["ways"]


def _report(ways: dict[str, dict[str, Any]], ids: np.ndarray, selector: Any, seed: int) -> str:
    exact = np.array(ways[REFERENCE]["confidence"])
    kept = _kept(ids, exact, selector, seed)
    rows = []
    for name, way in ways.items():
        confidence = np.array(way["confidence"])
        difference, mine = np.abs(confidence - exact), _kept(ids, confidence, selector, seed)
        jaccard = len(kept & mine) / len(kept | mine)
        rows.append(
            [name, f"{difference.max():.1e}", f"{difference.mean():.1e}", f"{len(kept & mine) / len(kept):.1%}"]
        )
        rows[-1] += [f"{jaccard:.3f}", f"{len(ids) / way['seconds']:.0f} prompts/s"]
    header = ["way", "max |ds|", "mean |ds|", "kept share", "Jaccard", "speed"]
    lines = [
        f"Confidence s of {len(ids)} prompts, against {REFERENCE}; kept: the {KEPT:.0%} that the selector would keep.",
        table(header, rows),
    ]
    mine = _kept(ids, np.array(ways["as configured"]["confidence"]), selector, seed)
    lost = 1 - len(kept & mine) / len(kept)
    if lost <= STABLE:
        lines.append("As configured: stable.")
    else:
        lines.append(
            f"As configured: {lost:.1%} of the kept prompts depend on rounding. Score in float32 for a selection that "
            "does not: signal.confidence.dtype=float32"
        )
    return "\n".join(lines)


def _kept(ids: np.ndarray, confidence: np.ndarray, selector: Any, seed: int) -> set[str]:
    logs = np.log(confidence)
    columns = {"id": ids, "confidence": confidence, "mean_logprob": logs}
    return set(select(columns, selector, KEPT, seed).ids)
