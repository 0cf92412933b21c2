"""Teacher forcing by a causal LM: log-probabilities of given tokens in one forward pass, at no more cost than they need.

Axes: B rows of a batch, T token positions, P positions of the shared prefix, N target tokens of many rows, H hidden
size, V vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from ufo_rl.errors import UserError
from ufo_rl.model.memory import is_out_of_memory
from ufo_rl.model.plain import plain_logits
from ufo_rl.signals.confidence.budget import NO_MEMORY
from ufo_rl.signals.confidence.last_layer import LastLayer
from ufo_rl.signals.confidence.spans import Encoded

log = logging.getLogger(__name__)
VOCAB_CHUNK = 16384  # columns of the output matrix at a time: no fp32 tensor as wide as the vocabulary is ever made
HEAD_ROWS = 512  # target tokens at a time


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
    """A causal LM that computes rows in the plain way, each by the model's own forward pass, until shortcuts are proved.

    Shortcuts (`shortcuts.prove` sets them): rows are padded to batches (`is_batched`), the body is run once a token and
    the head where a target token is predicted (`is_split`), the last layer at targets alone (`last_layer`), and keys and
    values of a common beginning are computed once (`prefix`). `without`: those that this model does without, and why.
    """

    def __init__(self, model: PreTrainedModel, pad_id: int) -> None:
        self.model, self.pad_id = model, pad_id
        self.body: Any = model.base_model
        self.head: Any = model.get_output_embeddings()
        self.is_batched = self.is_split = False
        self.last_layer: LastLayer | None = None
        self.prefix: list[int] = []
        self._layers: list[_SharedLayer] = []
        self.without: dict[str, str] = {}
        self.proved = range(0)  # of the lengths between which rows were computed in both ways
        self.head_rows, self.vocab_chunk = HEAD_ROWS, VOCAB_CHUNK  # halved where memory runs out

    @property
    def has_matrix_head(self) -> bool:
        """Whether the head is a matrix and nothing more, that can be multiplied in another precision."""
        return isinstance(self.head, torch.nn.Linear) and type(self.head).forward is torch.nn.Linear.forward

    @torch.inference_mode()
    def share(self, prefix: Sequence[int]) -> None:
        """Compute the keys and values of `prefix` once, for all rows that begin with it.

        LookupError where a layer keeps more than keys and values of every position: a sliding window, a recurrent state.
        """
        ids = torch.tensor([list(prefix)], device=self.model.device)
        cache = self.body(input_ids=ids, use_cache=True).past_key_values
        if not all(type(layer) is DynamicLayer for layer in cache.layers):
            raise LookupError("a layer keeps other things than keys and values of all positions")
        self._layers = [_SharedLayer(layer.keys, layer.values) for layer in cache.layers]
        self.prefix = list(prefix)

    @contextmanager
    def without_prefix(self) -> Iterator[None]:
        """For rows that do not begin with it."""
        prefix, self.prefix = self.prefix, []
        try:
            yield
        finally:
            self.prefix = prefix

    @torch.inference_mode()
    def hidden(self, rows: Sequence[Encoded]) -> torch.Tensor:
        """Final hidden states (N, H) at the positions that predict the rows' target tokens, in their order.

        All rows begin with the shared prefix, if there is one. Padding stands behind a row, where causal attention
        cannot see it; the last token of a row predicts nothing that is asked for and is left out of batches. Without
        batches nothing is left out: such a model's numbers may depend on how long a row is.
        """
        past = len(self.prefix)
        own = [row.ids[past : len(row.ids) - self.is_batched] for row in rows]
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
        ends = torch.tensor([len(row.ids) - 1 - past for row in rows], device=device)
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
        """log P of the rows' target tokens (N,) by the model's own forward pass: of one row, right for every model.

        A head that is a matrix is computed in float32 here too; what the model does to its logits is the model's own.
        """
        is_rounded = self.has_matrix_head and self.model.dtype.itemsize < torch.float32.itemsize
        with self.head.register_forward_hook(self._unrounded) if is_rounded else nullcontext():
            if len(rows) == 1:
                logits = [plain_logits(self.model, rows[0].ids, rows[0].num_target + 1)[:-1]]
            else:
                logits = self._padded_logits(rows)
        found = []
        for row, logits_NV in zip(rows, logits, strict=True):
            targets_N1 = torch.tensor(row.ids[-row.num_target :], device=logits_NV.device)[:, None]
            logits_NV = logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32))
            found.append(torch.log_softmax(logits_NV, -1).gather(1, targets_N1)[:, 0].double())
        return torch.cat(found)

    def _padded_logits(self, rows: Sequence[Encoded]) -> list[torch.Tensor]:
        width, device = max(len(row.ids) for row in rows), self.model.device
        ids_BT = torch.tensor([row.ids + [self.pad_id] * (width - len(row.ids)) for row in rows], device=device)
        mask_BT = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows], device=device)
        logits_BTV = self.model(input_ids=ids_BT, attention_mask=mask_BT, use_cache=False).logits
        places = [slice(len(row.ids) - row.num_target - 1, len(row.ids) - 1) for row in rows]
        return [logits_TV[place] for place, logits_TV in zip(places, logits_BTV, strict=True)]

    def _unrounded(self, head: Any, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor:
        """The head's output in float32 at least, in place of one that half precision has rounded."""
        if out.dtype.itemsize >= torch.float32.itemsize:
            return out
        columns = range(0, out.shape[-1], self.vocab_chunk)
        return torch.cat([self._logits(args[0].float(), start) for start in columns], -1)
