"""Weights, gradients, optimizer states and the reference model (ZeRO, arXiv 1910.02054, section 3.1 and figure 1)."""

from __future__ import annotations

from ufo_rl.training.memory.layout import ADAM, FLOAT, LIVE, REDUCE_BUCKET, SUB_GROUP, Held, Layout, number


def states(layout: Layout, is_away: bool = False) -> list[Held]:
    """What a rank holds from the first step to the last, on its device, or with `is_away` in host memory.

    With mixed precision 2 bytes a weight and 12 a trained one: its float32 copy and two moments, which ZeRO shards from
    stage 1 on; weights from stage 3 on. DeepSpeed keeps the copy in float32 too. Without DeepSpeed 4 + 8. Stage 3 has
    room for its share of the gradients from the start (`grad_partitions_flat_buffer`), and an optimizer in host memory
    has them there in float32 besides.
    """
    copy = FLOAT if layout.deepspeed is not None else 0
    found = [
        _part("weights", layout.model.num_parameters, layout.size, layout.shards(3), layout.is_away("offload_param")),
        _part("optimizer", layout.trained, copy + ADAM, layout.shards(1), layout.is_away("offload_optimizer")),
    ]
    offloads = layout.is_away("offload_optimizer")
    if layout.stage == 3:
        found.append(_part("gradients", layout.trained, layout.size, layout.shards(3), offloads))
    if offloads:
        found.append(_part("gradients in float32", layout.trained, FLOAT, layout.shards(1), offloads))
    if layout.has_reference:
        away = layout.is_away("offload_param") and layout.stage == 3
        found.append(_part("reference", layout.model.num_parameters, layout.size, layout.shards(3), away))
    return [part for part, away in found if away == is_away]


def gradients(layout: Layout) -> list[Held]:
    """What they take at the end of a backward pass: sharded in stage 2, and the buckets in which they are reduced. Of
    stage 3 both are there throughout.

    torch's data-parallel buckets are a second copy of the gradients; DeepSpeed's has reduce_bucket_size of them, on a GPU all
    of it from the start (of two buckets in stages 1 and 2 with overlap_comm)."""
    if layout.stage == 3:
        return []
    away = layout.is_away("offload_optimizer")
    found = [] if away else [_part("gradients", layout.trained, layout.size, layout.shards(2), False)[0]]
    return found if layout.deepspeed is None else [*found, *bucket(layout)]


def buckets(layout: Layout) -> list[Held]:
    """Those that are there from the first backward pass on, whatever is computed."""
    if layout.deepspeed is None and layout.num_ranks > 1:
        formula = f"{number(layout.trained)} x {layout.size} B, of torch's data parallelism"
        return [Held("buckets", layout.trained * layout.size, formula)]
    return bucket(layout) if layout.stage == 3 else []


def bucket(layout: Layout) -> list[Held]:
    """DeepSpeed's, of gradients."""
    if layout.stage == 0:
        return []
    asked = layout.setting("reduce_bucket_size", REDUCE_BUCKET)
    held = asked if layout.is_cuda else min(asked, layout.trained)
    copies = 2 if layout.stage < 3 and layout.zero.get("overlap_comm") is True else 1
    formula = f"{number(held)} x {layout.size} B" + (f" x {copies}" if copies > 1 else "") + ", reduce_bucket_size"
    return [Held("buckets", held * layout.size * copies, formula)]


def gathered(layout: Layout) -> list[Held]:
    """Weights that ZeRO 3 has together while it computes: at most max_live_parameters of them."""
    if layout.stage < 3:
        return []
    live = min(layout.model.num_parameters, layout.setting("max_live_parameters", LIVE))
    return [Held("gathered weights", live * layout.size, f"{number(live)} x {layout.size} B, max_live_parameters")]


def update(layout: Layout) -> list[Held]:
    """What the optimizer's step takes besides: gradients in float32, and AdamW's own temporary tensors: of torch's loop over
    tensors one of everything on a GPU, two of the largest tensor on a CPU."""
    if layout.is_away("offload_optimizer"):
        return []
    shards = layout.shards(1)
    group = layout.setting("sub_group_size", SUB_GROUP) if layout.stage == 3 else layout.trained
    at_once = min(layout.trained, group)
    found = []
    if layout.deepspeed is not None and layout.stage:
        formula = f"{number(at_once)} x 4 B / {shards}, gradients in float32"
        found.append(Held("update", at_once * FLOAT / shards, formula))
    else:
        formula = f"{number(layout.trained)} x {layout.size} B, gradients"
        found.append(Held("update", layout.trained * layout.size, formula))
    if layout.is_cuda:
        own, words = at_once / shards, f"{number(at_once)} x 4 B / {shards}, the square roots of AdamW"
    else:
        flat = at_once / shards if layout.deepspeed is not None and layout.stage else min(layout.model.largest, at_once)
        own, words = 2 * flat, f"2 x {number(flat)} x 4 B, temporary tensors of AdamW"
    return [*found, Held("update", own * FLOAT, words)]


def _part(name: str, count: int, size: int, shards: int, is_away: bool) -> tuple[Held, bool]:
    over = f" / {shards}" if shards > 1 else ""
    return Held(name, count * size / shards, f"{number(count)} x {size} B{over}"), is_away
