"""What `generate` need not compute on a CPU, where a step costs what its rows cost: rows that have ended leave its forward
passes, most of them long before the longest, and a prompt that a batch has several times is read once. A narrow model has a
loop of its own for this (model/narrow.py); any other has hooks around its forward passes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.generation.configuration_utils import GenerationMode

from ufo_rl.model.few_threads import few_threads
from ufo_rl.model.memory import is_out_of_memory
from ufo_rl.model.narrow import generate_narrow
from ufo_rl.model.narrow_layers import has_calls_to_spare

log = logging.getLogger(__name__)
TOLERANCE, OF_HALF = 1e-4, 2e-2  # of the largest logit, and where half precision computes it
KEPT = 0.75  # rows leave when no more than this share of those computed is alive: leaving copies the cache
ALL_ROWS, HOOKS, LOOP = "all rows", "hooks", "a loop of its own"
_ways: WeakKeyDictionary[PreTrainedModel, str] = WeakKeyDictionary()


@contextmanager
def leaving(
    model: PreTrainedModel, ends: Sequence[int], stop: StoppingCriteria | None = None
) -> Iterator[dict[str, Any]]:
    """Arguments for a call of `model.generate` within, which ends rows and draws tokens as without them.

    ends: the end tokens of the call. stop: a criterion of it.
    """
    way = _way(model) if model.device.type == "cpu" else ALL_ROWS
    own = [] if stop is None else [stop]
    with few_threads(model):
        if way == HOOKS:
            live = LiveRows(ends, stop)
            with _hooked(model, live):
                yield {"stopping_criteria": StoppingCriteriaList([live])}
        else:
            loop = {"custom_generate": generate_narrow} if way == LOOP else {}
            yield {"stopping_criteria": StoppingCriteriaList(own), **loop}


@contextmanager
def _hooked(model: PreTrainedModel, live: LiveRows) -> Iterator[None]:
    before = model.register_forward_pre_hook(live.select, with_kwargs=True)
    after = model.register_forward_hook(live.spread, with_kwargs=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()


def _way(model: PreTrainedModel) -> str:
    """The first way in which rows are computed as if none had left and each prompt were read; asked once a model, and of a
    loop each time whether it still computes all that the model does."""
    may_loop = has_calls_to_spare(model)
    if model not in _ways or (_ways[model] == LOOP and not may_loop):
        # no inference_mode: what a model keeps of this, its training may need
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            ways = [LOOP] * may_loop + [HOOKS]
            _ways[model] = next((way for way in ways if _is_right(model, way)), ALL_ROWS)
    return _ways[model]


def _is_right(model: Any, way: str) -> bool:
    """Generate four rows twice, the first of which ends at once and the second of which is the last's copy: a model may keep
    something of each row outside the cache, as RecurrentGemma does its states. The third is shorter than the others."""
    try:
        whole, parts = _whole_and_parts(model, way)
    except Exception as error:  # of whatever kind: such a model generates as transformers has it
        if is_out_of_memory(error):
            raise
        log.info("rows that have ended are not left out by %s: %s: %s", way, type(error).__name__, error)
        return False
    bound = TOLERANCE if model.dtype == torch.float32 else OF_HALF
    pairs = [(one[1:].float(), other[1:].float()) for one, other in zip(whole, parts, strict=True)]
    is_near = all(bool((one - other).abs().max() <= bound * one.abs().max()) for one, other in pairs)
    if not is_near:
        log.info("rows that have ended are not left out by %s: the model's own logits differ", way)
    return is_near


def _whole_and_parts(model: Any, way: str) -> tuple[Any, Any]:
    vocabulary = len(model.get_input_embeddings().weight)
    end, ids_BT = vocabulary - 1, (torch.arange(4 * 6).reshape(4, 6) % vocabulary)[[0, 1, 2, 1]]
    mask_BT = torch.ones_like(ids_BT)
    mask_BT[2, :2] = 0
    config = GenerationConfig(
        max_new_tokens=4,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
        output_logits=True,
        return_dict_in_generate=True,
        disable_compile=True,
    )
    own: dict[str, Any] = {"attention_mask": mask_BT, "generation_config": config}
    own["logits_processor"] = LogitsProcessorList([_EndsFirst(end)])
    generate, live = type(model).generate, LiveRows([end], None)
    whole = generate(model, ids_BT, **own).logits
    if way == LOOP:
        return whole, generate(model, ids_BT, custom_generate=generate_narrow, **own).logits
    with _hooked(model, live):
        return whole, generate(model, ids_BT, stopping_criteria=StoppingCriteriaList([live]), **own).logits


class _EndsFirst(LogitsProcessor):
    """The first row ends, no other does: the end token is its only one, and none of theirs."""

    def __init__(self, end: int) -> None:
        self.end = end

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        scores = scores.clone()  # pyright: ignore[reportAssignmentType]
        scores[:, self.end] = -torch.inf
        scores[0] = -torch.inf
        scores[0, self.end] = 0.0
        return scores


def leave_when_ended(model: Any) -> None:
    """From now on `model.generate` computes rows until they end."""
    generate = model.generate

    def of_live_rows(*arguments: Any, generation_config: Any = None, **named: Any) -> Any:
        is_own = any(named.get(name) is not None for name in ("inputs_embeds", "position_ids"))
        if is_own or (generation_config is not None and not _draws_row_by_row(generation_config)):
            return generate(*arguments, generation_config=generation_config, **named)
        given = getattr(generation_config, "eos_token_id", None)
        ends = model.generation_config.eos_token_id if given is None else given
        with leaving(model, [ends] if isinstance(ends, int) else ends or []) as own:
            return generate(*arguments, generation_config=generation_config, **own, **named)

    model.generate = of_live_rows


def _draws_row_by_row(config: GenerationConfig) -> bool:
    """Whether a row is a row, and tokens are all that is asked: beams change places, guidance computes each twice."""
    mode = config.get_generation_mode()
    is_plain = mode in (GenerationMode.SAMPLE, GenerationMode.GREEDY_SEARCH) and not config.return_dict_in_generate
    return is_plain and getattr(config, "guidance_scale", None) in (None, 1, 1.0)


class LiveRows(StoppingCriteria):
    """Sees which rows have ended, and takes them out of the model's calls: hooks before and after `forward`. Of its first
    call, which reads the prompts, the rows that are others' copies.

    The logits of rows that have left are zeros, which `generate` passes over. What it draws for the others is as before: by
    logits for the whole batch, in its order. None leaves where the cache is no plain one of keys and values.
    """

    def __init__(self, ends: Sequence[int], stop: StoppingCriteria | None) -> None:
        self.ends, self.stop = torch.tensor(list(ends)), stop
        self.has_ended_B: torch.Tensor | None = None
        self.rows: torch.Tensor | None = None  # those that the cache holds; None for all
        self.copies: torch.Tensor | None = None  # of the call under way: each row's place among those computed

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any) -> torch.BoolTensor:
        stop: Any = self.stop
        stopped_B = torch.zeros(len(input_ids), dtype=torch.bool) if stop is None else stop(input_ids, scores)
        ended_B = stopped_B | torch.isin(input_ids[:, -1], self.ends)
        self.has_ended_B = ended_B if self.has_ended_B is None else self.has_ended_B | ended_B
        return stopped_B  # pyright: ignore[reportReturnType]

    def select(self, model: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        cache: Any = kwargs.get("past_key_values")
        tensors = {k: v for k, v in kwargs.items() if isinstance(v, torch.Tensor)}
        # positions on several axes have the rows behind them
        if not _is_plain(cache) or any(one.dim() == 3 for one in tensors.values()):
            return None
        if self.has_ended_B is None:
            return self._once_each(args, kwargs, tensors) if cache.get_seq_length() == 0 else None
        num_rows = len(self.has_ended_B)
        held = torch.arange(num_rows) if self.rows is None else self.rows
        is_alive = ~self.has_ended_B[held]
        if 0 < int(is_alive.sum()) <= KEPT * len(held):
            cache.batch_select_indices(is_alive.nonzero()[:, 0])
            self.rows = held[is_alive]
        if self.rows is None:
            return None
        return args, kwargs | {k: v[self.rows] for k, v in tensors.items() if v.shape[:1] == (num_rows,)}

    def _once_each(
        self, args: Any, kwargs: dict[str, Any], tensors: dict[str, torch.Tensor]
    ) -> tuple[Any, dict[str, Any]] | None:
        """The call with one row of those that are the same in all it is given."""
        ids_BT = tensors.get("input_ids")
        of_rows = {} if ids_BT is None else {k: v for k, v in tensors.items() if v.shape[:1] == ids_BT.shape[:1]}
        if not of_rows or any(one.dim() != 2 or one.is_floating_point() for one in of_rows.values()):
            return None
        wide_BT = torch.cat([one.long() for one in of_rows.values()], 1)
        different, place_B = torch.unique(wide_BT, dim=0, return_inverse=True)
        if len(different) == len(wide_BT):
            return None
        # the first of each kind, in the order of the batch
        first = torch.full((len(different),), len(wide_BT)).scatter_reduce(
            0, place_B, torch.arange(len(wide_BT)), "amin"
        )
        first, order = first.sort()
        self.copies = order.argsort()[place_B]
        return args, kwargs | {name: one[first] for name, one in of_rows.items()}

    def spread(self, model: Any, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        if self.copies is not None:
            kwargs["past_key_values"].batch_select_indices(self.copies)
            output.logits, self.copies = output.logits[self.copies], None
            return output
        if self.rows is not None and self.has_ended_B is not None:
            logits_RTV = output.logits
            zeros_BTV = logits_RTV.new_zeros((len(self.has_ended_B), *logits_RTV.shape[1:]))
            output.logits = zeros_BTV.index_copy(0, self.rows, logits_RTV)
        return output


def _is_plain(cache: Any) -> bool:
    layers = getattr(cache, "layers", ())
    return type(cache) is DynamicCache and all(type(one) in (DynamicLayer, DynamicSlidingWindowLayer) for one in layers)
