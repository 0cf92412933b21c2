"""What measuring the signals will cost: rows that the stores lack, tokens forward, tokens generated at most."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ufo_rl.commands.plan.basis import Basis
from ufo_rl.config.kinds import stated
from ufo_rl.config.schema import Template
from ufo_rl.files.keys import digest
from ufo_rl.files.store import Store
from ufo_rl.grader import grader_id
from ufo_rl.launch.rank_context import BLOCK_ROWS
from ufo_rl.signals.confidence.settings import Confidence
from ufo_rl.signals.confidence.spans import Encoded, common_prefix, encode
from ufo_rl.signals.pass_rate.settings import PassRate
from ufo_rl.signals.protocol import Signal, Subject


@dataclass(frozen=True)
class SignalAmounts:
    """Of one signal over a pool. missing, stored: prompts, of pass rates samples; missing is the most where a selection is
    adaptive. forward: tokens without padding, None where they cannot be counted; prefix: those that a shared beginning saves.
    generated: (least, most)."""

    name: str
    unit: str
    missing: int
    stored: int
    forward: int | None
    prefix: int
    generated: tuple[int, int]
    is_exact: bool
    about: str = ""


_known: dict[str, SignalAmounts] = {}


def signal_amounts(basis: Basis) -> list[SignalAmounts]:
    """Of the signals that the selector of a job needs."""
    if basis.prepared is None or basis.config is None or basis.num_pool is None:
        return []
    return [_of_signal(basis, name, basis.prepared.signals[name]) for name in basis.prepared.selector.signals]


def _of_signal(basis: Basis, name: str, signal: Signal) -> SignalAmounts:
    if basis.pool is None or basis.chat is None:
        return _roughly(basis, name, signal)
    subject, config = _subject(basis), basis.config
    assert config is not None
    stored = _stored(basis, name, signal, subject)
    asked = [config.signal[name], *(basis.job.plain[node] for node in ("model", "template", "launch", "engine"))]
    key = digest([asked, [(prompt.id, prompt.answer) for prompt in basis.pool], sorted(stored)])
    if key not in _known:
        _known[key] = _counted(basis, name, signal, subject, stored)
    return _known[key]


def _counted(basis: Basis, name: str, signal: Signal, subject: Subject, stored: dict[str, bool]) -> SignalAmounts:
    assert basis.config is not None and basis.chat is not None
    asked = list(signal.rows(subject).missing(stored))
    missing = sum(count for _, count in asked)
    if isinstance(signal, Confidence) and signal.target != "response":
        rows = [row for row, _ in asked]
        ranks = basis.config.launch.num_ranks if signal.engine == "own" else 0
        forward, prefix = _forced(basis, rows, ranks)
        found = len(subject.prompts) - missing
        return SignalAmounts(name, "prompts", missing, found, forward, prefix, (0, 0), True)
    if isinstance(signal, Confidence | PassRate):
        texts = [row["text"] for row, _ in asked]
        lengths = (
            [len(ids) - 1 for ids in basis.chat.tokenizer(texts, add_special_tokens=False)["input_ids"]]
            if texts
            else []
        )
        forward = sum(count * length for (_, count), length in zip(asked, lengths, strict=True))
        if isinstance(signal, PassRate):
            is_sampled, is_fixed = signal.rollouts is None, signal.adaptive is None
            total, most = len(subject.prompts) * signal.num_samples, signal.max_completion_tokens
            about = "" if is_fixed else "at most: adaptive sampling leaves prompts early"
        else:
            is_sampled, is_fixed, total, most, about = True, True, len(subject.prompts), signal.max_response_tokens, ""
        least = missing if is_fixed else len(asked)
        bounds = (least, missing * most) if is_sampled else (0, 0)
        return SignalAmounts(
            name, signal.unit, missing, total - missing, forward if is_sampled else 0, 0, bounds, is_fixed, about
        )
    return SignalAmounts(
        name, signal.unit, missing, 0, None, 0, (0, 0), False, "a signal of another package: rows alone"
    )


def _forced(basis: Basis, rows: Sequence[dict], num_ranks: int) -> tuple[int, int]:
    """Tokens of the texts that are computed, but the last of each and what a rank's rows begin with in common, and those that
    this saves. num_ranks: 0 where no beginning is shared."""
    assert basis.chat is not None
    if not rows:
        return 0, 0
    encoded: list[Encoded] = []
    for begin in range(0, len(rows), BLOCK_ROWS):
        block = rows[begin : begin + BLOCK_ROWS]
        encoded += encode(basis.chat.tokenizer, [row["text"] for row in block], [row["target_start"] for row in block])
    whole = sum(len(one.ids) - 1 for one in encoded)
    # as launch/spool.py deals the rows out: by the length of their line, longest first
    order = sorted(range(len(rows)), key=lambda i: -len(json.dumps(rows[i])))
    saved = 0
    for rank in range(num_ranks):
        own = [encoded[i] for i in order[rank::num_ranks]]
        prefix = common_prefix(own[:BLOCK_ROWS])
        saved += len(prefix) * sum(
            len(one.ids) - one.num_target > len(prefix) and one.ids[: len(prefix)] == prefix for one in own
        )
    return whole - saved, saved


def _roughly(basis: Basis, name: str, signal: Signal) -> SignalAmounts:
    """Where data or tokenizer are not here: everything counts as missing."""
    assert basis.num_pool is not None and basis.tokens is not None
    about = "not counted: the data or the tokenizer are not here; what is stored is not looked up"
    mean, num = basis.tokens.mean, basis.num_pool
    if isinstance(signal, PassRate):
        samples = num * signal.num_samples
        bounds = (samples, samples * signal.max_completion_tokens) if signal.rollouts is None else (0, 0)
        return SignalAmounts(name, "samples", samples, 0, round(samples * mean), 0, bounds, False, about)
    return SignalAmounts(name, signal.unit, num, 0, round(num * mean), 0, (0, 0), False, about)


def _subject(basis: Basis) -> Subject:
    config, prepared = basis.config, basis.prepared
    assert config is not None and prepared is not None and basis.pool is not None and basis.chat is not None
    return Subject(
        prompts=basis.pool,
        chat=basis.chat,
        dtype=config.model.dtype,
        engine=config.engine,
        template=stated(Template, basis.job.plain["template"]),
        grader=config.grader,
        grader_id=grader_id(config.grader, prepared.grader),
        grader_columns=prepared.grader.columns,
        plugins=config.plugins,
    )


def _stored(basis: Basis, name: str, signal: Signal, subject: Subject) -> dict[str, bool]:
    """What the store of a signal has; nothing where no run has written here, so that no weights are hashed for it."""
    root = basis.cache / "signals"
    if not next(root.glob(f"{name}-*"), None):
        return {}
    store = Store.of(root, name, signal.identity(subject))
    return dict(signal.rows(subject).stored(store)) if store.folder.is_dir() else {}
