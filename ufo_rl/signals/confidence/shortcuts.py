"""Which shortcuts a model may be scored by: each has to give the numbers of the model's own forward pass, on this model.

Rows of several lengths are computed one at a time by the model's own forward pass first; then with everything that its
parts allow, together. Where that fails, or other numbers come out, the shortcuts are tried one after the other, and those
that fail are left out: their errors are no errors of the run. Axes: N target tokens of a row, H hidden size.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ufo_rl.errors import UserError
from ufo_rl.model.memory import is_out_of_memory
from ufo_rl.model.plain import distance, plain_logits
from ufo_rl.signals.confidence.budget import NO_MEMORY
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.last_layer import LastLayer, is_exact, last_of
from ufo_rl.signals.confidence.packing import can_pack, pack, unpack
from ufo_rl.signals.confidence.spans import Encoded

log = logging.getLogger(__name__)
STATES_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}  # relative, of final states
# In half precision two ways of computing all layers differ by about 1e-2, more in deep models: by how much a model differs
# from itself is measured (`_rounding`), and some of it is allowed, so much at most.
HALF_STATES, OF_ROUNDING, MOST = 3e-2, 1.5, 0.1
LOGPROB_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}  # of every target token
HALF_LOGPROB = 0.1  # mean over a row's target tokens, relative above 1: bench/precision.json has 0.03
SAME = 1e-6  # relative: the same numbers, or the same computation once more
PACKED, BATCHED = "packed matrices", "padded batches"
CAUSAL = "causal attention"
SPLIT, LAST, PREFIX = "the head at targets alone", "the last layer at targets alone", "a shared prefix"


@dataclass(frozen=True)
class Proof:
    """A row by the model's own forward pass: its log-probabilities (N,) and what went into the head for them (N, H)."""

    row: Encoded
    terms: torch.Tensor
    states: torch.Tensor | None


@dataclass(frozen=True)
class Shortcut:
    """`on` may fail by any error: then the model does without it."""

    name: str
    on: Callable[[], None]
    off: Callable[[], None]


@torch.inference_mode()
def prove(forcing: TeacherForcing, rows: Sequence[Encoded], prefix: Sequence[int], packs: bool) -> None:
    """Give `forcing` the shortcuts that are right for its model. `prefix`: what all rows begin with, or nothing.

    UserError where not even one row fits into memory.
    """
    proofs, into_last = _plain(forcing, _of_several_lengths(rows))
    if not proofs:
        raise UserError(NO_MEMORY)
    ways = _ways(forcing, proofs, into_last)
    if packs and can_pack(forcing.model):
        packed: list[Any] = []
        ways.insert(0, Shortcut(PACKED, lambda: packed.extend(pack(forcing.model)), lambda: unpack(packed)))
    _take(forcing, ways, proofs)
    if prefix and forcing.is_split:
        _take(forcing, [Shortcut(PREFIX, partial(forcing.share, prefix), _switch(forcing, "prefix", []))], proofs)
    forcing.proved = range(len(proofs[-1].row.ids), len(proofs[0].row.ids) + 1)
    _tell(forcing, proofs[-1].row)


@torch.inference_mode()
def prove_more(forcing: TeacherForcing, rows: Sequence[Encoded]) -> None:
    """The same for the longest and the shortest of `rows` where one is so more than all before: windows and stretched
    positions begin somewhere. What was right for those and is wrong for these is left out from here on."""
    longest, shortest = (choose(rows, key=lambda row: len(row.ids)) for choose in (max, min))
    if len(longest.ids) in forcing.proved and len(shortest.ids) in forcing.proved:
        return
    start, stop = min(forcing.proved.start, len(shortest.ids)), max(forcing.proved.stop, len(longest.ids) + 1)
    forcing.proved = range(start, stop)
    proofs, _ = _plain(forcing, [longest, shortest])
    fields = {BATCHED: ("is_batched", False), SPLIT: ("is_split", False), LAST: ("last_layer", None)}
    fields[PREFIX] = ("prefix", [])
    ways = [
        Shortcut(name, _switch(forcing, field, value), _switch(forcing, field, off))
        for name, (field, off) in fields.items()
        if (value := getattr(forcing, field))
    ]
    before = len(forcing.without)
    _take(forcing, ways, proofs)
    if len(forcing.without) > before:
        _tell(forcing, shortest)


def _ways(forcing: TeacherForcing, proofs: Sequence[Proof], into_last: Any) -> list[Shortcut]:
    """The shortcuts that this model's parts allow, in the order in which each builds on those before.

    into_last: arguments of the last layer's forward pass for the first proof's row, None for a layer of another kind.
    """
    ways = [Shortcut(BATCHED, _switch(forcing, "is_batched", True), _switch(forcing, "is_batched", False))]
    if not _is_head_all(forcing, proofs[-1]):
        forcing.without[SPLIT] = "its logits are not its head's alone"
        return ways
    ways.append(Shortcut(SPLIT, _switch(forcing, "is_split", True), _switch(forcing, "is_split", False)))
    layer, row = last_of(forcing.body), proofs[0].row
    ends = torch.arange(len(row.ids) - 1 - row.num_target, len(row.ids) - 1, device=forcing.model.device)
    if into_last is None:
        return ways
    args, kwargs = into_last
    if not is_exact(layer, args, kwargs, ends[None]):
        forcing.without[LAST] = "its parts are named as Llama's and compute something else"
        return ways
    last = _switch(forcing, "last_layer", LastLayer(layer))
    return [*ways, Shortcut(LAST, last, _switch(forcing, "last_layer", None))]


def _switch(forcing: TeacherForcing, field: str, value: Any) -> Callable[[], None]:
    return partial(setattr, forcing, field, value)


def _take(forcing: TeacherForcing, ways: Sequence[Shortcut], proofs: Sequence[Proof]) -> None:
    """Switch on what gives the proofs' numbers: all at once if that does, else one after the other."""
    if not _problem(forcing, ways, proofs):
        return
    for way in reversed(ways):
        way.off()
    for way in ways:
        if way.name in (LAST, PREFIX) and not forcing.is_split:
            continue  # they are parts of it
        problem = _problem(forcing, [way], proofs)
        if problem:
            way.off()
            forcing.without[way.name] = problem


def _problem(forcing: TeacherForcing, ways: Sequence[Shortcut], proofs: Sequence[Proof]) -> str:
    """Switch `ways` on: what is wrong with the numbers then, "" for nothing. Memory that runs out is no fault of theirs:
    the rows are taken in smaller batches then, and what does not fit even alone goes unproved."""
    try:
        for way in ways:
            way.on()
        return _difference(forcing, proofs)
    except Exception as error:  # whatever a library raises over arguments, masks and caches that it does not know
        if is_out_of_memory(error):
            if forcing.model.device.type == "cuda":
                torch.cuda.empty_cache()
            parts = (proofs[:1], proofs[1:]) if len(proofs) > 1 else ()
            return next((problem for part in parts if (problem := _problem(forcing, [], part))), "")
        return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0][:160]


def _difference(forcing: TeacherForcing, proofs: Sequence[Proof]) -> str:
    shared = [proof for proof in proofs if forcing.prefix and can_share(proof.row, forcing.prefix)]
    if shared:
        problem = _compare(forcing, shared)
        if problem:
            return problem
    with forcing.without_prefix():
        alone = [proof for proof in proofs if not any(proof is one for one in shared)]
        return _compare(forcing, alone) if alone else ""


def _compare(forcing: TeacherForcing, proofs: Sequence[Proof]) -> str:
    """One batch of the proofs' rows against what the plain way made of them."""
    rows = [proof.row for proof in proofs]
    batches = [rows] if forcing.is_batched else [[row] for row in rows]
    sizes = [row.num_target for row in rows]
    if forcing.is_split:
        states = torch.cat([forcing.hidden(batch) for batch in batches])
        ids = [token for row in rows for token in row.ids[-row.num_target :]]
        terms = forcing.logprobs(states, torch.tensor(ids, device=states.device))
        for proof, own in zip(proofs, states.split(sizes), strict=True):
            if proof.states is None or not _has_states(forcing, proof, own):
                return "other hidden states than the model's own forward pass"
    else:
        terms = torch.cat([forcing.whole(batch) for batch in batches])
    for proof, own in zip(proofs, terms.split(sizes), strict=True):
        off = (own - proof.terms).abs()
        limit = LOGPROB_TOLERANCE.get(forcing.model.dtype)
        worst = (off / proof.terms.abs().clamp(min=1)).mean() if limit is None else off.max()
        if not worst <= (HALF_LOGPROB if limit is None else limit):  # NaN is no agreement
            return f"log-probabilities differ by {worst:.1e} from the model's own forward pass"
    return ""


def _has_states(forcing: TeacherForcing, proof: Proof, states: torch.Tensor) -> bool:
    """Whether these are the proof's, up to what rounding does to this model."""
    assert proof.states is not None
    if states.dtype in STATES_TOLERANCE:
        return _is_close(states, proof.states, STATES_TOLERANCE[states.dtype])
    if _is_close(states, proof.states, HALF_STATES):
        return True
    return _is_close(states, proof.states, min(OF_ROUNDING * _rounding(forcing, proof), MOST))


def _rounding(forcing: TeacherForcing, proof: Proof) -> float:
    """How far a half-precision model's own forward pass is from itself, relative: with the row twice, and attention by its
    definition, other kernels compute the same and round at other places. 0.0 where that fails."""
    seen: list[torch.Tensor] = []
    hook = forcing.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        with sdpa_kernel(SDPBackend.MATH):
            forcing.whole([proof.row, proof.row])
    except Exception:
        return 0.0
    finally:
        hook.remove()
    (again,) = seen
    states, plain = again[0, -proof.row.num_target - 1 : -1], proof.states
    assert plain is not None
    return float((states.double() - plain.double()).norm() / plain.double().norm())


def _plain(forcing: TeacherForcing, rows: Sequence[Encoded]) -> tuple[list[Proof], Any]:
    """The rows by the model's own forward pass, each alone, without those that do not fit into memory; and what went into
    the last layer for the first, None where it is not of Llama's kind."""
    layer, proofs, into_head, into_last = last_of(forcing.body), [], [], []
    hooks = (
        [forcing.head.register_forward_pre_hook(lambda _, given: into_head.append(given[0]))] if forcing.head else []
    )
    if layer is not None:
        hooks.append(layer.register_forward_pre_hook(lambda _, *given: into_last.append(given), with_kwargs=True))
    try:
        for row in rows:
            into_head.clear()
            if not proofs:
                into_last.clear()
            try:
                terms = forcing.whole([row])
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                log.info("a row of %d tokens does not fit into memory in the plain way", len(row.ids))
                continue
            seen = into_head[0] if len(into_head) == 1 else None
            states = seen[0, -row.num_target - 1 : -1] if seen is not None and seen.dim() == 3 else None
            proofs.append(Proof(row, terms, states))
    finally:
        for hook in hooks:
            hook.remove()
    return proofs, into_last[0] if into_last else None


def _of_several_lengths(rows: Sequence[Encoded]) -> list[Encoded]:
    """The longest row, one of the middle and the shortest."""
    ordered = sorted(rows, key=lambda row: -len(row.ids))
    return [ordered[i] for i in sorted({0, len(ordered) // 2, len(ordered) - 1})]


def can_share(row: Encoded, prefix: Sequence[int]) -> bool:
    return len(row.ids) - row.num_target > len(prefix) and row.ids[: len(prefix)] == list(prefix)


def _is_head_all(forcing: TeacherForcing, proof: Proof) -> bool:
    """Whether the model's logits are what its head makes of the body's final states: nothing scaled, nothing capped.

    The same computation once more, so that even half precision leaves no room for doubt.
    """
    if forcing.body is forcing.model or not forcing.has_matrix_head or proof.states is None:
        return False
    ids, made = torch.tensor([proof.row.ids], device=forcing.model.device), []
    hook = forcing.head.register_forward_hook(lambda *seen: made.append(seen[2]))
    try:
        logits = plain_logits(forcing.model, proof.row.ids, proof.row.num_target + 1)
        states = forcing.body(input_ids=ids, use_cache=False).last_hidden_state[0, -proof.row.num_target - 1 : -1]
    except Exception as error:
        if is_out_of_memory(error):
            raise UserError(NO_MEMORY) from error
        return False  # whatever a library raises: it has no such body
    finally:
        hook.remove()
    return (
        len(made) == 1 and _is_close(made[0][0, -len(logits) :], logits, SAME) and _is_close(states, proof.states, SAME)
    )


def _tell(forcing: TeacherForcing, row: Encoded) -> None:
    """One line of what this model is scored without; and where that is so because it is no causal LM."""
    if not forcing.without:
        return
    log.info("scored without %s", "; ".join(f"{name} ({why})" for name, why in forcing.without.items()))
    if forcing.without.keys() & {BATCHED, SPLIT}:
        before, after = plain_logits(forcing.model, row.ids[:-1], 1)[0], plain_logits(forcing.model, row.ids, 2)[0]
        if not distance(after, before) <= HALF_STATES:
            forcing.without[CAUSAL] = "its logits depend on the tokens that they are to predict"
            log.warning("this model is no causal language model: %s", forcing.without[CAUSAL])


def _is_close(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    return a.shape == b.shape and bool((a.double() - b.double()).norm() <= tolerance * b.double().norm())
