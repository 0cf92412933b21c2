"""Training, a rank's half: build the rewards, join the other ranks, train, save the policy."""

from __future__ import annotations

from typing import Any

from ufo_rl.config.build import build
from ufo_rl.launch.alive import Signs
from ufo_rl.launch.rank_context import RankContext
from ufo_rl.model.template import fix_date
from ufo_rl.model.weights import load_tokenizer
from ufo_rl.reward.parts import build_parts
from ufo_rl.training.grpo import prepare_process_group, train
from ufo_rl.training.policy import TrainRequest


def train_policy(request: TrainRequest, context: RankContext) -> dict[str, Any]:
    """The rank function; returns what training cost."""
    prepare_process_group(context.place, request.deepspeed, context.request.launch.hang_s)
    tokenizer = load_tokenizer(request.model, request.chat_template)
    fix_date(tokenizer, request.date)
    grader = build(request.grader, "grader", request.plugins)
    return train(
        context.rows(),
        request,
        tokenizer,
        build_parts(request.rewards, request.plugins, grader=grader, answer_form=request.answer_form),
        context.place,
        context.journal.write,
        Signs(context.request.work, context.place.rank).give,
    )
