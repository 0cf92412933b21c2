"""A selection that follows the model, a rank's half: who chooses anew, and by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ufo_rl.config.build import build
from ufo_rl.launch.publish import SignalRow
from ufo_rl.launch.spool import read_spool
from ufo_rl.records import OWN, Prompt
from ufo_rl.training.moving import MovingRequest
from ufo_rl.training.moving_feed import Chooser, MovingFeed
from ufo_rl.training.posterior import Posterior
from ufo_rl.training.rescore import Rescore
from ufo_rl.training.trl_trainer import Trainer


def let_it_move(
    request: MovingRequest,
    rows: Sequence[dict[str, Any]],
    trainer: Trainer,
    plugins: Sequence[str],
    seed: int,
    tell: Callable[..., Any],
) -> None:
    """Give the trainer a feed whose selection moves. rows: of the whole pool."""
    kept = [row["id"] for row in rows[: request.num_kept]]
    trainer.feed = MovingFeed(
        rows,
        kept,
        trainer.feed.per_set,
        seed,
        request.settings,
        _chooser(request, rows, trainer, plugins, seed),
        lambda: trainer.state.global_step,
        tell,
    )


def _chooser(
    request: MovingRequest, rows: Sequence[dict[str, Any]], trainer: Trainer, plugins: Sequence[str], seed: int
) -> Chooser:
    if request.settings.name == "posterior":
        return Posterior(request.ease, request.num_kept, trainer.num_generations, request.settings, seed)
    by_id = {row["id"]: row for row in rows}
    scored = [SignalRow(**row) for row in read_spool(request.pool)]
    prompts = [_prompt(by_id[row.id]) for row in scored]
    signal = build(request.signal or {}, "signal.confidence", plugins)
    selector = build(request.selector, "selector", plugins)
    return Rescore(trainer, prompts, scored, signal, selector, request.ratio, seed)


def _prompt(row: dict[str, Any]) -> Prompt:
    """A row of training as the prompt that it was made from."""
    own = {name: row[name] for name in OWN}
    return Prompt(**own, columns={name: value for name, value in row.items() if name not in (*OWN, "prompt")})
