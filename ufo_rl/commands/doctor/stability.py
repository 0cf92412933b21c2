"""Scores a sample of the user's pool in several ways, and says how far they keep the same prompts.

Batch sizes, precisions and engines must not decide who is kept. The reference is float32, one prompt at a time.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ufo_rl.commands.doctor.request import ExaminationRequest
from ufo_rl.config.compose import compose_one, tell
from ufo_rl.errors import UserError
from ufo_rl.experiment.model_check import check_fetched
from ufo_rl.experiment.prepare import check_examination
from ufo_rl.launch.publish import SignalRow
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.report.text import table
from ufo_rl.selector.columns import Columns, of_pool
from ufo_rl.selector.cut import select
from ufo_rl.signals.confidence.settings import Confidence
from ufo_rl.signals.confidence.target import scored_text

SAMPLE = 512  # prompts
KEPT = 0.1  # the share whose overlap is reported
STABLE = 0.01  # of the kept prompts may differ
REFERENCE, CONFIGURED = "float32, batch 1", "as configured"  # as rank.py calls them


@dataclass(frozen=True)
class Way:
    """One way of scoring, against the reference: differences of s, the share of the reference's kept prompts that it
    keeps too, Jaccard overlap of the two kept sets. `problem` where it could not be taken."""

    name: str
    max_difference: float
    mean_difference: float
    kept_share: float
    jaccard: float
    prompts_per_s: float
    problem: str = ""


def doctor(overrides: Sequence[str], config_dir: str | None = None, config_name: str | None = None) -> str:
    """The report for one configuration. UserError where the selector does not use confidence."""
    return _report(*compare_ways(overrides, SAMPLE, config_dir, config_name))


def compare_ways(
    overrides: Sequence[str], sample: int | None, config_dir: str | None = None, config_name: str | None = None
) -> tuple[int, list[Way]]:
    """How many prompts were scored (at most `sample`, drawn at random), and what came of it in each way."""
    job = compose_one(overrides, config_dir, config_name, "doctor")
    job.check_model("dataset")
    config, prepared = check_examination(job.plain)
    tell([job])
    signal = prepared.signals.get("confidence")
    if signal is None or tuple(prepared.selector.signals) != ("confidence",):
        raise UserError(f"selector={config.selector.get('name')} does not use confidence alone: nothing to examine")
    if not isinstance(signal, Confidence):
        raise UserError(
            f"signal.confidence._target_={config.signal['confidence']['_target_']}: doctor examines our own"
        )
    if signal.target == "response":
        raise UserError("signal.confidence.target=response: doctor examines the targets answer, solution and question")
    prompts = prepared.pool.prompts
    if sample is not None and len(prompts) > sample:
        prompts = Random(0).sample(prompts, sample)
    sys.stderr.write(f"scoring {len(prompts)} of {len(prepared.pool.prompts)} prompts in several ways ...\n")
    with tempfile.TemporaryDirectory() as work:
        chat = ChatModel(config.model, config.template, Path(work) / "fingerprints.json")
        check_fetched(config, chat)
        rows = [
            SignalRow.of(prompt.id, *scored_text(signal.target, chat.render(prompt), prompt, chat.form), prompt.answer)
            for prompt in prompts
        ]
        request = ExaminationRequest(chat.folder, signal.dtype or config.model.dtype, signal, config.engine)
        stages = Stages(Path(work), replace(config.launch, num_ranks=1, num_nodes=1))
        stages.spool("doctor", (asdict(row) for row in rows))
        tries_vllm = importlib.util.find_spec("vllm") is not None
        (result,) = stages.run("doctor", "ufo_rl.commands.doctor.rank.examine_rows", request, "doctor", tries_vllm)
        return len(rows), _compare(result["ways"], of_pool(prompts, chat.num_tokens), prepared.selector, config.seed)


def _compare(ways: dict[str, dict[str, Any]], pool: Columns, selector: Any, seed: int) -> list[Way]:
    exact = np.array(ways[REFERENCE]["log_confidence"])
    kept, found = _kept(pool, exact, selector, seed), []
    for name, way in ways.items():
        if "problem" in way:
            found.append(Way(name, *[math.nan] * 5, problem=way["problem"]))
            continue
        logs = np.array(way["log_confidence"])
        difference, mine = np.abs(np.exp(logs) - np.exp(exact)), _kept(pool, logs, selector, seed)
        same, speed = len(kept & mine), len(logs) / way["seconds"]
        shares = same / len(kept), same / len(kept | mine)
        found.append(Way(name, float(difference.max()), float(difference.mean()), *shares, speed))
    return found


def _report(num_prompts: int, ways: Sequence[Way]) -> str:
    header = ["way", "max |ds|", "mean |ds|", "kept share", "Jaccard", "speed"]
    rows = [
        [
            way.name,
            f"{way.max_difference:.1e}",
            f"{way.mean_difference:.1e}",
            f"{way.kept_share:.1%}",
            f"{way.jaccard:.3f}",
            f"{way.prompts_per_s:.0f} prompts/s",
        ]
        for way in ways
        if not way.problem
    ]
    lines = [
        f"Confidence s of {num_prompts} prompts, against {REFERENCE}; kept: the {KEPT:.0%} that the selector would keep.",
        table(header, rows),
        *(f"{way.name}: not possible ({way.problem})" for way in ways if way.problem),
    ]
    (mine,) = [way for way in ways if way.name == CONFIGURED]
    if mine.problem:
        lines.append("As configured it cannot be scored.")
    elif 1 - mine.kept_share <= STABLE:
        lines.append("As configured: stable.")
    else:
        lines.append(
            f"As configured: {1 - mine.kept_share:.1%} of the kept prompts depend on rounding. Score in float32 for a "
            "selection that does not: signal.confidence.dtype=float32"
        )
    return "\n".join(lines)


def _kept(pool: Columns, logs: np.ndarray, selector: Any, seed: int) -> set[str]:
    """The prompts that the selector keeps, from the pool's columns and this confidence."""
    columns = Columns(pool, pool.later)
    columns.update(confidence=np.exp(logs), log_confidence=logs)
    return set(select(columns, selector, KEPT, seed).ids)
