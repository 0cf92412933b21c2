"""Activations, the head's tiles, and the cache of generation.

Bytes that a layer keeps of a token for its backward pass, with attention that keeps no scores (Korthikanti and others, arXiv
2205.05198, section 4, for such a layer), h hidden, q queries, i inner width, s bytes of a number:

    8 h + s (4 h + 4 q + 4 i)     norms in float32 and their results; inputs of the linear modules; queries, keys and values as
                                  wide as queries (so they are kept beside a mask of padding); the MLP's four

counted exactly by hooks on saved tensors of SmolLM2, and s for each token that it may see, of the mask.
"""

from __future__ import annotations

from ufo_rl.training.memory.layout import FLOAT, Layout, Held, number

TILE_TOKENS, TILE_WORDS = 4096, 32_768  # of TRL's fused head (trl/kernels/chunked_logprob.py)
TILES_ON_CPU = 8.25  # the tile, seven like it in float32, and a mask: `_backward_tile` there


def layer_bytes(layout: Layout) -> float:
    """Of one token in one layer."""
    model, size = layout.model, layout.computed
    return 8 * model.hidden + size * (4 * model.hidden + 4 * model.queries + 4 * model.intermediate + layout.width)


def activations(layout: Layout) -> Held:
    """What a forward pass keeps for the backward pass of one batch: all layers, or with gradient_checkpointing the input of
    each and one layer's own."""
    model, tokens = layout.model, layout.rows * layout.width
    own = layer_bytes(layout)
    if not layout.train.gradient_checkpointing:
        formula = f"{number(tokens)} tokens x {number(own)} B x {model.layers} layers"
        return Held("activations", tokens * own * model.layers, formula)
    kept = model.hidden * layout.size
    formula = f"{number(tokens)} tokens x ({number(kept)} B x {model.layers} layers + {number(own)} B of one)"
    return Held("activations", tokens * (kept * model.layers + own), formula)


def logits(layout: Layout) -> Held:
    """TRL's fused head: a tile of logits at a time, and the head's gradient in float32 where the head is trained.

    On a GPU the positions of completions, in one tile that Triton works in; elsewhere all positions, with torch's own temporary
    tensors."""
    model = layout.model
    positions = layout.rows * (layout.completion if layout.is_cuda else layout.width)
    tile = min(positions, TILE_TOKENS) * TILE_WORDS
    copies, size = (1.0, layout.computed) if layout.is_cuda else (TILES_ON_CPU, FLOAT)
    found, formula = tile * size * copies, f"{number(min(positions, TILE_TOKENS))} x {TILE_WORDS} x {size} B x {copies:g}"
    if layout.train.lora.rank is None:
        found += model.table * FLOAT
        formula += f" + {number(model.table)} x 4 B"
    return Held("logits", found, formula)


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
        found.append(Held("gathered weights", whole, f"{number(model.num_parameters)} x {layout.size} B, the whole model"))
    return found


def shared_gpu(layout: Layout, gpu: float | None) -> list[Held]:
    """vLLM on the GPUs that train: the share of a GPU that it is given, for weights and cache."""
    if layout.rollout.name != "vllm_colocate" or gpu is None:
        return []
    share = layout.rollout.memory_share
    return [Held("vLLM", share * gpu, f"rollout.memory_share={share:g} x {gpu / 2**30:.0f} GiB")]
