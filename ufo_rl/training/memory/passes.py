"""Activations, the head's tiles, and the cache of generation.

Bytes that a layer keeps of a token for its backward pass, with attention that keeps no scores (Korthikanti and others, arXiv
2205.05198, section 4, for such a layer), h hidden, q queries, i inner width, s bytes of a number:

    8 h + s (4 h + 4 q + 4 i)     norms in float32 and their results; inputs of the linear modules; queries, keys and values as
                                  wide as queries (so they are kept beside a mask of padding); the MLP's four

counted exactly by hooks on saved tensors of SmolLM2, and s for each token that it may see, of the mask.
"""

from __future__ import annotations

from ufo_rl.training.memory.layout import FLOAT, Held, Layout, number

TILE_TOKENS, TILE_WORDS = 4096, 32_768  # of TRL's fused head (trl/kernels/chunked_logprob.py)
MIN_ROWS = 8  # of a part of a batch (positions.py)
TILES_ON_CPU = 8.25  # the tile, seven like it in float32, and a mask: `_backward_tile` there


def layer_bytes(layout: Layout) -> float:
    """Of one token in one layer."""
    model, size = layout.model, layout.computed
    return 8 * model.hidden + size * (4 * model.hidden + 4 * model.queries + 4 * model.intermediate + layout.width)


def activations(layout: Layout) -> Held:
    """What a forward pass keeps for the backward pass of one batch: all layers, or with gradient_checkpointing the input of
    each and one layer's own."""
    model, tokens, own = layout.model, _tokens(layout), layer_bytes(layout)
    if not layout.train.gradient_checkpointing:
        formula = f"{number(tokens)} tokens x {number(own)} B x {model.layers} layers"
        return Held("activations", tokens * own * model.layers, formula)
    kept = model.hidden * layout.size
    formula = f"{number(tokens)} tokens x ({number(kept)} B x {model.layers} layers + {number(own)} B of one)"
    return Held("activations", tokens * (kept * model.layers + own), formula)


def copies(layout: Layout) -> list[Held]:
    """Of the weights of linear layers in bfloat16, which torch's autocast over weights in float32 makes and keeps until
    the backward pass ends. Frozen weights below adapters are bfloat16 already."""
    train, model = layout.train, layout.model
    if layout.deepspeed is not None or not train.bf16 or train.lora.rank is not None:
        return []
    count = model.layers * sum(before * behind for before, behind in model.linear.values())
    return [Held("copies of autocast", 2 * count, f"{number(count)} x 2 B, linear layers in bfloat16")]


def has_parts(layout: Layout) -> bool:
    """Whether a batch is computed in parts of like length, each with a backward pass of its own (trl_trainer.py)."""
    is_whole = layout.is_cuda or layout.stage == 3 or layout.train.beta > 0
    return not is_whole and layout.rows >= 2 * MIN_ROWS


def _tokens(layout: Layout) -> int:
    """Of a batch; in parts each prompt is read once, but not under checkpoints."""
    if not has_parts(layout) or layout.train.gradient_checkpointing:
        return layout.rows * layout.width
    return -(-layout.rows // layout.train.num_generations) * layout.prompt + layout.rows * layout.completion


def _positions(layout: Layout) -> int:
    """At which the head is computed together: on a GPU those of completions, elsewhere all; of parts the largest is half."""
    if layout.is_cuda:
        return layout.rows * layout.completion
    if not has_parts(layout):
        return layout.rows * layout.width
    width = layout.width if layout.train.gradient_checkpointing else layout.completion + 1
    return -(-layout.rows // 2) * width


def logits(layout: Layout) -> list[Held]:
    """TRL's fused head: a tile of logits at a time, and the head's gradient in float32 where the head is trained.

    On a GPU Triton works in the tile; elsewhere torch makes temporary tensors like it. Of parts, the gradients of those before
    are there."""
    model, positions = layout.model, min(_positions(layout), TILE_TOKENS)
    copies, size = (1.0, layout.computed) if layout.is_cuda else (TILES_ON_CPU, FLOAT)
    formula = f"{number(positions)} x {TILE_WORDS} x {size} B x {copies:g}"
    found = [Held("logits", positions * TILE_WORDS * size * copies, formula)]
    if layout.train.lora.rank is None:
        found.append(Held("logits", model.table * FLOAT, f"{number(model.table)} x 4 B, the head's gradient"))
    if has_parts(layout):
        formula = f"{number(layout.trained)} x {layout.size} B, of the parts before"
        found.append(Held("gradients", layout.trained * layout.size, formula))
    return found


def generation(layout: Layout) -> list[Held]:
    """What generation by transformers takes: keys and values of all completions of a set, with the layer that grows; logits and
    probabilities of the next tokens in float32; under ZeRO 3 the whole model, unless ds3_gather_for_generation=false."""
    model, rows = layout.model, layout.generated_rows
    if layout.rollout.is_vllm:
        return []
    each = model.kv_bytes(layout.size)
    cache = rows * layout.width * each * (model.layers + 1) / model.layers
    formula = f"{rows} rows x {layout.width} tokens x {number(each)} B x {model.layers + 1}/{model.layers}"
    words = 3 * rows * model.vocabulary * FLOAT
    found = [
        Held("KV cache", cache, formula),
        Held("logits", words, f"3 x {rows} rows x {number(model.vocabulary)} x 4 B"),
    ]
    if layout.stage == 3 and layout.train.trl.get("ds3_gather_for_generation", True):
        whole = model.num_parameters * layout.size
        found.append(
            Held("gathered weights", whole, f"{number(model.num_parameters)} x {layout.size} B, the whole model")
        )
    return found


def shared_gpu(layout: Layout, gpu: float | None) -> list[Held]:
    """vLLM on the GPUs that train: the share of a GPU that it is given, for weights and cache."""
    if layout.rollout.name != "vllm_colocate" or gpu is None:
        return []
    share = layout.rollout.memory_share
    return [Held("vLLM", share * gpu, f"rollout.memory_share={share:g} x {gpu / 2**30:.0f} GiB")]
