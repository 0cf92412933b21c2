"""Teacher forcing by a causal LM: log-probabilities of given tokens in one forward pass, at no more cost than they need.

Axes: B rows of a batch, T token positions, P positions of the shared prefix, N target tokens of many rows, H hidden
size, V vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from ufo_rl.errors import UserError
from ufo_rl.signals.confidence.budget import NO_MEMORY, is_out_of_memory
from ufo_rl.signals.confidence.last_layer import LastLayer, is_exact, last_of
from ufo_rl.signals.confidence.spans import Encoded

log = logging.getLogger(__name__)
VOCAB_CHUNK = 16384  # columns of the output matrix at a time: no fp32 tensor as wide as the vocabulary is ever made
HEAD_ROWS = 512  # target tokens at a time
PREFIX_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}  # relative, of final states
HALF_TOLERANCE = 3e-2  # two ways of computing all layers differ by about 1e-2 in half precision
SAME = 1e-6  # relative: the same numbers, or the same computation once more


class _SharedLayer(DynamicLayer):
    """Keys and values of the prefix, the same for every row of a batch; nothing is ever added to them."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.keys, self.values, self.is_initialized = keys, values, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.keys is not None and self.values is not None
        batch = (key_states.shape[0], -1, -1, -1)
        return (
            torch.cat([self.keys.expand(*batch), key_states], dim=-2),
            torch.cat([self.values.expand(*batch), value_states], dim=-2),
        )


class TeacherForcing:
    """A causal LM, split where it can be: the body once per token, the head only where a target token is predicted.

    Models whose logits are not simply head(hidden state) (scaled, capped) or whose layers keep more than keys and
    values are found by comparing with the model's own forward pass, and run by that.
    """

    def __init__(self, model: PreTrainedModel, pad_id: int) -> None:
        self.model, self.pad_id = model, pad_id
        self.body: Any = model.base_model
        self.head: Any = model.get_output_embeddings()
        self.prefix: list[int] = []
        self._layers: list[_SharedLayer] = []
        self.last_layer: LastLayer | None = None
        self.is_split = self.body is not model and isinstance(self.head, torch.nn.Linear)
        self.head_rows, self.vocab_chunk = HEAD_ROWS, VOCAB_CHUNK  # halved where memory runs out

    @torch.inference_mode()
    def share(self, prefix: Sequence[int], probe: Encoded) -> None:
        """Compute the keys and values of `prefix` once, for all rows that begin with it.

        `probe`, such a row, is computed in every way; where they differ (a sliding window, a recurrent state) nothing is
        shared or left out, and where the head alone does not make the model's logits the whole model is used.
        """
        self.is_split = self.is_split and self._is_head_all(probe)
        if not self.is_split:
            log.info("this model is run whole: its logits are not the head's alone")
            if self.model.dtype.itemsize < torch.float32.itemsize and not isinstance(self.head, torch.nn.Linear):
                log.warning("its head is no plain matrix: its logits are rounded to %s", self.model.dtype)
            return
        whole = self.hidden([probe])
        self.last_layer = self._shortened(probe)
        if not prefix:
            return
        ids = torch.tensor([list(prefix)], device=self.model.device)
        try:
            cache = self.body(input_ids=ids, use_cache=True).past_key_values
            if not all(type(layer) is DynamicLayer for layer in cache.layers):
                return  # sliding windows, recurrent states: there is more than keys and values to share
            self._layers = [_SharedLayer(layer.keys, layer.values) for layer in cache.layers]
            self.prefix = list(prefix)
            is_equal = _is_close(self.hidden([probe]), whole, PREFIX_TOLERANCE.get(whole.dtype, HALF_TOLERANCE))
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise UserError(NO_MEMORY) from error
            log.info("no shared prefix: %s", error)
            is_equal = False
        if not is_equal:
            self.prefix, self._layers = [], []

    def _shortened(self, probe: Encoded) -> LastLayer | None:
        """The last layer at targets alone, where that gives the same in float32 for the very inputs that it gets."""
        layer = last_of(self.body)
        if layer is None:
            return None
        seen: list[tuple[Any, Any]] = []
        hook = layer.register_forward_pre_hook(lambda _, args, kwargs: seen.append((args, kwargs)), with_kwargs=True)
        try:
            self.hidden([probe])
        finally:
            hook.remove()
        positions = torch.arange(len(probe.ids) - 1 - probe.num_target, len(probe.ids) - 1, device=self.model.device)
        if is_exact(layer, *seen[0], positions[None]):
            return LastLayer(layer)
        log.info("the last layer of this model is computed at every position")
        return None

    @torch.inference_mode()
    def hidden(self, rows: Sequence[Encoded]) -> torch.Tensor:
        """Final hidden states (N, H) at the positions that predict the rows' target tokens, in their order.

        All rows begin with the shared prefix, if there is one. Padding stands behind a row, where causal attention
        cannot see it; the last token of a row predicts nothing that is asked for and is left out.
        """
        past = len(self.prefix)
        own = [row.ids[past:-1] for row in rows]
        width = max(map(len, own))
        device = self.model.device
        ids_BT = torch.tensor([ids + [self.pad_id] * (width - len(ids)) for ids in own], device=device)
        if past:
            # each own position sees the whole prefix and its own past
            seen_TS = torch.ones(width, past + width, dtype=torch.bool, device=device).tril(past)
            cache = Cache(layers=[*self._layers])
            more = {"past_key_values": cache, "use_cache": True, "attention_mask": seen_TS[None, None]}
        else:
            more = {"use_cache": False}
        num_targets = torch.tensor([row.num_target for row in rows], device=device)
        ends = torch.tensor([len(ids) for ids in own], device=device)
        order = torch.arange(int(num_targets.max()), device=device)
        positions_BQ = (ends - num_targets)[:, None] + order  # shorter targets are padded with their last position
        positions_BQ = torch.minimum(positions_BQ, ends[:, None] - 1)
        states = self._run(ids_BT, positions_BQ, more)
        return states[order < num_targets[:, None]]

    def _run(self, ids_BT: torch.Tensor, positions_BQ: torch.Tensor, more: dict[str, Any]) -> torch.Tensor:
        """Final hidden states (B, Q, H) at the positions."""
        is_shorter = self.last_layer is not None and positions_BQ.shape[1] < ids_BT.shape[1]
        if self.last_layer is None or not is_shorter:
            states_BTH = self.body(input_ids=ids_BT, **more).last_hidden_state
            return states_BTH.gather(1, positions_BQ[:, :, None].expand(-1, -1, states_BTH.shape[-1]))
        self.last_layer.positions_BQ = positions_BQ
        try:
            return self.body(input_ids=ids_BT, **more).last_hidden_state
        finally:
            self.last_layer.positions_BQ = None

    @torch.inference_mode()
    def logprobs(self, hidden_NH: torch.Tensor, targets_N: torch.Tensor) -> torch.Tensor:
        """log P of each target token (N,), natural logarithm, float64; products and log-softmax in float32 at least.

        Where memory runs out, half as many rows and columns are taken at a time from there on. UserError where one row
        is too much.
        """
        found, start = [], 0
        while start < len(hidden_NH):
            end = start + self.head_rows
            try:
                found.append(self._logprobs(hidden_NH[start:end], targets_N[start:end]))
                start = end
                continue
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self.head_rows == 1:
                    raise UserError(NO_MEMORY) from error
            if hidden_NH.is_cuda:
                torch.cuda.empty_cache()
            self.head_rows, self.vocab_chunk = self.head_rows // 2, max(1, self.vocab_chunk // 2)
            log.info("out of memory: the head of %d target tokens at a time from now on", self.head_rows)
        return torch.cat(found)

    def _logprobs(self, hidden_NH: torch.Tensor, targets_N: torch.Tensor) -> torch.Tensor:
        hidden = hidden_NH.to(torch.promote_types(hidden_NH.dtype, torch.float32))
        total = torch.full((len(hidden),), -torch.inf, dtype=torch.float64, device=hidden.device)
        chosen = torch.zeros_like(total)
        for start in range(0, len(self.head.weight), self.vocab_chunk):
            logits = self._logits(hidden, start)
            inside = (targets_N >= start) & (targets_N < start + self.vocab_chunk)
            here = (targets_N - start).clamp(0, logits.shape[1] - 1)
            chosen = torch.where(inside, logits.gather(1, here[:, None])[:, 0].double(), chosen)
            total = torch.logaddexp(total, logits.logsumexp(1).double())
        return chosen - total

    def _logits(self, hidden: torch.Tensor, start: int) -> torch.Tensor:
        """The head's columns from `start` on, as many as are taken at a time, in the precision of `hidden`."""
        columns = slice(start, start + self.vocab_chunk)
        logits = hidden @ self.head.weight[columns].to(hidden.dtype).T
        return logits if self.head.bias is None else logits + self.head.bias[columns].to(hidden.dtype)

    @torch.inference_mode()
    def whole(self, rows: Sequence[Encoded]) -> torch.Tensor:
        """log P of the rows' target tokens (N,) by the model's own forward pass: right for every causal LM.

        A head that is a matrix is computed in float32 here too; what the model does to its logits is the model's own.
        """
        width = max(len(row.ids) for row in rows)
        device = self.model.device
        ids_BT = torch.tensor([row.ids + [self.pad_id] * (width - len(row.ids)) for row in rows], device=device)
        mask_BT = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows], device=device)
        is_matrix = isinstance(self.head, torch.nn.Linear)
        hook = self.head.register_forward_hook(self._unrounded) if is_matrix else nullcontext()
        with hook:
            logits_BTV = self.model(input_ids=ids_BT, attention_mask=mask_BT, use_cache=False).logits
        found = []
        for row, logits_TV in zip(rows, logits_BTV, strict=True):
            end, targets = len(row.ids), torch.tensor(row.ids[-row.num_target :], device=device)
            logits = logits_TV[end - row.num_target - 1 : end - 1]
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            found.append(torch.log_softmax(logits, -1).gather(1, targets[:, None])[:, 0].double())
        return torch.cat(found)

    def _unrounded(self, head: Any, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor:
        """The head's output in float32 at least, in place of one that half precision has rounded."""
        if out.dtype.itemsize >= torch.float32.itemsize:
            return out
        columns = range(0, out.shape[-1], self.vocab_chunk)
        return torch.cat([self._logits(args[0].float(), start) for start in columns], -1)

    def _is_head_all(self, probe: Encoded) -> bool:
        """Whether the model's logits are what its head makes of the body's final states: nothing scaled, nothing capped.

        Looks at what goes into the head and comes out of it in one pass of the whole model, so that even half precision
        leaves no room for doubt.
        """
        ids = torch.tensor([probe.ids[:-1]], device=self.model.device)
        seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        hook = self.head.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
        try:
            logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=probe.num_target).logits[0]
            states = self.body(input_ids=ids, use_cache=False).last_hidden_state[0, -probe.num_target :]
        except TypeError:  # an older model of the library's: it makes the logits of every position
            return False
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise UserError(NO_MEMORY) from error
            raise
        finally:
            hook.remove()
        if len(seen) != 1 or seen[0][1].shape[1] != probe.num_target:
            return False
        into, out = seen[0][0][0], seen[0][1][0]
        return _is_close(out, logits, SAME) and _is_close(into, states, SAME)


def _is_close(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    return bool((a.double() - b.double()).norm() <= tolerance * b.double().norm())
