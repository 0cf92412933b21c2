"""Log-probabilities in parts of like length or side by side: those of TRL's whole batch, and their gradient, on fewer
positions."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from tests.tiny_architectures import saved
from tests.unit.test_narrow import llama, qwen2
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.grader.math import MathGrader
from ufo_rl.model.narrow_layers import Layer, has_calls_to_spare
from ufo_rl.model.template import messages
from ufo_rl.model.weights import load_tokenizer, packaged
from ufo_rl.reward.correctness import Correctness
from ufo_rl.reward.parts import Part
from ufo_rl.training import positions, side_by_side
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.positions import BY_LENGTH, PROMPTS_ONCE, SIDE_BY_SIDE, WHOLE, Batch
from ufo_rl.training.trl_trainer import Trainer

LAB = packaged("package:lab/tiny")
PROMPTS, WIDTH = (3, 7, 5), 40  # tokens; of the longest completion
COMPLETIONS = (1, 4, 40, 6, 2, 9, 11, 3, 5, 17, 2, 8, 1, 7, 6, 4, 3, 22, 5, 2, 6, 3, 12, 9, 1, 2, 5, 4, 3, 8, 7, 6)


# rotary positions, and learned ones that count from the first column, padding or not
@pytest.fixture(scope="module", params=["lab", "gpt2"])
def trainer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    model = LAB if request.param == "lab" else saved("gpt2", tmp_path_factory.mktemp("gpt2"))
    return trainer_of(model, tmp_path_factory.mktemp("work"))


def trainer_of(model: Path, folder: Path, *overrides: str) -> Trainer:
    (job,) = compose_jobs(["model=tiny", "train.max_steps=1", "train.per_device_train_batch_size=32", *overrides])
    config = load(job.plain)
    rows = [{"id": "0", "prompt": messages(config.template, "1+1=?", True), "answer": "2"}] * 8
    arguments = grpo_arguments(config.train, None, 0, folder, True, [1.0])
    part = Part("correctness", 1.0, Correctness(1.0, MathGrader(5.0, 100)))
    made = make_trainer(arguments, rows, model, load_tokenizer(model), [part], TrainerCallback())
    made.model.eval()  # no dropout
    return made


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """As TRL makes it: prompts padded on their left, completions on their right."""
    generator, widest = torch.Generator().manual_seed(0), max(PROMPTS)
    ids = torch.randint(5, 30, (len(COMPLETIONS), widest + WIDTH), generator=generator)
    ids[:, :widest] = ids[: len(PROMPTS), :widest].repeat(len(COMPLETIONS), 1)[
        : len(COMPLETIONS)
    ]  # groups share theirs
    mask = torch.zeros_like(ids)
    for row, length in enumerate(COMPLETIONS):
        mask[row, widest - PROMPTS[row % len(PROMPTS)] : widest + length] = 1
    return ids * mask, mask


def computed(trainer: Any, of: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Log-probabilities and entropies at the completions' tokens, the gradient of their sum, and the positions read."""
    positions: list[int] = []
    count = trainer.model.base_model.register_forward_pre_hook(
        lambda model, args, kwargs: positions.append((args or [kwargs["input_ids"]])[0].numel()), with_kwargs=True
    )
    ids, mask = batch()
    logprobs, entropies, _ = of._get_per_token_logps_and_entropies(
        trainer, trainer.model, ids, mask, WIDTH, compute_entropy=True
    )
    count.remove()
    kept = mask[:, -WIDTH:].bool()
    trainer.model.zero_grad()
    (logprobs * kept).sum().backward()
    gradient = torch.cat([one.grad.flatten() for one in trainer.model.parameters() if one.grad is not None])
    return logprobs[kept].detach(), entropies[kept].detach(), gradient.clone(), sum(positions)


def test_parts_give_what_the_whole_batch_gives_on_fewer_positions(trainer: Trainer) -> None:
    trainer._way = None  # the hook that counts keeps the lab's model from being read side by side
    asked = computed(trainer, Trainer)
    whole, parts = computed(trainer, GRPOTrainer), computed(trainer, Trainer)
    assert trainer._way == PROMPTS_ONCE and asked[3] > whole[3] + 2 * parts[3]  # which way is right is asked once
    assert computed(trainer, Trainer)[3] == parts[3]
    assert len(whole[0]) == sum(COMPLETIONS)
    assert torch.allclose(whole[0], parts[0], atol=1e-5) and torch.allclose(whole[1], parts[1], atol=1e-5)
    assert whole[2].norm() > 1 and (whole[2] - parts[2]).norm() < 1e-5 * whole[2].norm()
    # parts of 8, 8 and 16 rows, the longest first: 40, 8 and 5 tokens behind prompts of 7 with their padding, whose last is
    # read again
    longest = [
        length for part in ((0, 8), (8, 8), (16, 16)) for length in [sorted(COMPLETIONS)[::-1][part[0]]] * part[1]
    ]
    assert whole[3] == 32 * (7 + 40) and parts[3] == len(PROMPTS) * 6 + sum(1 + one for one in longest)
    trainer._way = BY_LENGTH
    by_length = computed(trainer, Trainer)
    assert (whole[2] - by_length[2]).norm() < 1e-5 * whole[2].norm()
    assert by_length[3] == sum(7 + one for one in longest)


@pytest.mark.parametrize("make", [llama, qwen2], ids=["llama, groups of heads", "qwen2, biases"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_narrow_models_tokens_side_by_side_are_those_of_the_whole_batch(
    tmp_path: Path, make: Any, temperature: float
) -> None:
    own = trainer_of(narrow_folder(tmp_path, make), tmp_path, f"train.temperature={temperature}")
    whole, found = whole_and_own(own, *batch())
    assert own._way == SIDE_BY_SIDE
    for one, other in zip(whole[:2], found[:2], strict=True):
        assert len(one) == sum(COMPLETIONS) and torch.allclose(one, other, atol=1e-5)
    assert whole[2].norm() > 1 and (whole[2] - found[2]).norm() < 1e-5 * whole[2].norm()


def test_side_by_side_rows_may_have_no_token_and_leave_some_out(tmp_path: Path) -> None:
    own = trainer_of(LAB, tmp_path)
    ids, mask = batch()
    assert whole_and_own(own, ids, mask)[1][2].isfinite().all()
    truncated = [3, *(row for row, length in enumerate(COMPLETIONS) if length < 6)]
    mask[truncated, -WIDTH:] = 0
    mask[[2, 17], -WIDTH + 2] = 0
    whole, found = whole_and_own(own, ids, mask)
    assert own._way == SIDE_BY_SIDE and torch.allclose(whole[0], found[0], atol=1e-5)
    assert (whole[2] - found[2]).norm() < 1e-5 * whole[2].norm()
    mask[:, -WIDTH:] = 0
    logprobs, _ = side_by_side.compute_side_by_side(own.model, own.model, Batch(ids, mask, WIDTH), 1.0, False)
    own.model.zero_grad()
    logprobs.sum().backward()
    assert torch.equal(logprobs, torch.zeros(32, WIDTH))
    # as ranks that have tokens wait for it
    assert all(one.grad is not None and not one.grad.any() for one in own.model.parameters())


@pytest.mark.parametrize("ties", [True, False])
def test_a_pad_that_was_drawn_or_ends_a_prompt_gets_no_gradient_from_being_read(tmp_path: Path, ties: bool) -> None:
    def padded(**sizes: Any) -> Any:
        return llama(**sizes | {"pad_token_id": 256, "tie_word_embeddings": ties})

    own = trainer_of(narrow_folder(tmp_path, padded), tmp_path)
    ids, mask = batch()
    ids[6, -WIDTH + 1] = 256
    ids[:, -WIDTH - 1] = torch.where(ids[:, -WIDTH - 1] == ids[0, -WIDTH - 1], 256, ids[:, -WIDTH - 1])
    whole, found = whole_and_own(own, ids, mask)
    assert own._way == SIDE_BY_SIDE and (whole[2] - found[2]).norm() < 1e-5 * whole[2].norm()


def test_a_gradient_of_its_own_is_noticed_and_so_is_what_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, (ids, mask) = trainer_of(LAB, tmp_path), batch()
    after = Layer.after

    def with_half_the_gradient(*given: Any) -> torch.Tensor:
        found = after(*given)
        if found.requires_grad:
            found.register_hook(lambda gradient: gradient / 2)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Layer, "after", with_half_the_gradient)
        assert first_way(own) == PROMPTS_ONCE
    own._way = None
    assert first_way(own) == SIDE_BY_SIDE
    hook = own.model.model.layers[0].mlp.register_forward_hook(lambda module, given, out: out * 1.5)
    whole, found = whole_and_own(own, ids, mask)
    assert torch.equal(whole[0], found[0]) and own._way == SIDE_BY_SIDE
    hook.remove()


def whole_and_own(own: Any, ids: torch.Tensor, mask: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
    """Of the whole batch, and as the trainer takes it: log-probabilities and entropies at completions' tokens, gradient."""
    kept, found = mask[:, -WIDTH:].bool(), []
    for of in (GRPOTrainer, Trainer):
        logprobs, entropies, _ = of._get_per_token_logps_and_entropies(
            own, own.model, ids, mask, WIDTH, compute_entropy=True
        )
        own.model.zero_grad()
        (logprobs * kept).sum().backward()
        gradient = torch.cat([one.grad.flatten() for one in own.model.parameters()])
        found.append((logprobs[kept].detach(), entropies[kept].detach(), gradient))
    return found


def narrow_folder(folder: Path, make: Any) -> Path:
    """A model of the lab's vocabulary with the lab's tokenizer."""
    made = folder / "narrow"
    make(vocab_size=265, tie_word_embeddings=True).save_pretrained(made)
    load_tokenizer(LAB).save_pretrained(made)
    return made


def test_a_batch_that_is_too_small_or_split_already_is_read_as_trl_does(trainer: Trainer) -> None:
    ids, mask = batch()
    for rows, size in ((15, None), (32, 16)):
        given = (trainer.model, ids[:rows], mask[:rows], WIDTH, size)
        own = Trainer._get_per_token_logps_and_entropies(trainer, *given)[0]
        assert torch.equal(own, GRPOTrainer._get_per_token_logps_and_entropies(trainer, *given)[0])


def test_a_model_whose_numbers_depend_on_what_is_cut_is_read_whole(trainer: Trainer) -> None:
    class Counts(torch.nn.Module):
        """Adds to the embeddings how wide the batch is."""

        def forward(self, embedded: torch.Tensor) -> torch.Tensor:
            return embedded * (1 + 0.1 * embedded.shape[1])

    hook = trainer.model.get_input_embeddings().register_forward_hook(lambda module, given, out: Counts()(out))
    trainer._way = None
    try:
        whole, own = computed(trainer, GRPOTrainer), computed(trainer, Trainer)
        assert trainer._way == WHOLE and torch.equal(whole[0], own[0])
        assert computed(trainer, Trainer)[3] == whole[3]
    finally:
        hook.remove()
        trainer._way = None


def first_way(own: Any, **changed: Any) -> str | None:
    """The way that a trainer takes with its first batch."""
    ids, mask = batch()
    mask = changed.get("mask", mask)
    own._get_per_token_logps_and_entropies(own.model, ids, mask, WIDTH)
    return own._way


def test_under_checkpoints_rows_are_read_by_length(tmp_path: Path) -> None:
    own = trainer_of(LAB, tmp_path, "train.gradient_checkpointing=true")
    own.model.train()
    whole, by_length = computed(own, GRPOTrainer), computed(own, Trainer)
    assert own._way == BY_LENGTH and (whole[2] - by_length[2]).norm() < 1e-5 * whole[2].norm()


def test_a_way_that_fails_is_not_taken_and_memory_that_runs_out_is_no_such_reason(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(error: Exception) -> None:
        def read_prompts(*_: Any) -> Any:
            raise error

        trainer._way = None
        for module in (positions, side_by_side):
            monkeypatch.setattr(module, "read_prompts", read_prompts)

    fails(TypeError("got an unexpected keyword argument 'logits_to_keep'"))
    assert first_way(trainer) == BY_LENGTH
    fails(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        first_way(trainer)
    trainer._way = None


def test_ranks_that_differ_take_the_whole_batch(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer._way = None
    reduce = trainer.accelerator.reduce
    monkeypatch.setattr(trainer.accelerator, "reduce", lambda tensor, how: reduce(tensor, how) - int(tensor.dim() == 0))
    assert first_way(trainer) == WHOLE
    trainer._way = None


def test_a_batch_without_completions_proves_nothing(trainer: Trainer) -> None:
    trainer._way = None
    mask = batch()[1]
    mask[:, -WIDTH:] = 0
    assert first_way(trainer, mask=mask) is None
    assert first_way(trainer) == (SIDE_BY_SIDE if has_calls_to_spare(trainer.model) else PROMPTS_ONCE)


def test_a_prompt_of_one_token_is_read_with_its_completion(trainer: Trainer) -> None:
    trainer._way = PROMPTS_ONCE
    ids, mask = (one[:, max(PROMPTS) - 1 :] for one in batch())
    found = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, WIDTH)[0]
    assert torch.equal(
        found, GRPOTrainer._get_per_token_logps_and_entropies(trainer, trainer.model, ids, mask, WIDTH)[0]
    )


def test_a_model_that_counts_positions_behind_a_cache_otherwise_reads_prompts_with_their_completions(
    tmp_path: Path,
) -> None:
    """Roberta's positions are those of tokens that are no padding, and the length of its cache: without padding in the first
    batch nothing would tell."""
    own = trainer_of(saved("roberta", tmp_path), tmp_path)
    ids, _ = batch()
    own._get_per_token_logps_and_entropies(own.model, ids.clamp(min=5), torch.ones_like(ids), WIDTH)
    assert own._way == BY_LENGTH


@pytest.mark.parametrize(
    ("ropes", "expected"),
    [
        ({"rope_type": "default"}, False),
        ({"rope_type": "longrope"}, True),
        ({"full_attention": {"rope_type": "dynamic"}, "sliding_attention": {"rope_type": "default"}}, True),
        ({"full_attention": {"rope_type": "yarn"}, "sliding_attention": {"rope_type": "default"}}, False),
        (None, False),
    ],
)
def test_frequencies_that_follow_from_a_batchs_longest_row_keep_it_whole(ropes: Any, expected: bool) -> None:
    config = SimpleNamespace(rope_parameters=ropes)
    assert positions.turns_by_width(SimpleNamespace(get_text_config=lambda: config)) is expected


def test_such_a_model_is_read_whole(tmp_path: Path) -> None:
    own = trainer_of(LAB, tmp_path)
    own.model.config.rope_parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    assert computed(own, Trainer)[3] == 32 * (7 + 40) and own._way is None


@pytest.mark.parametrize(("more", "is_whole"), [([], False), (["+train.trl.num_iterations=2"], True)])
def test_old_log_probabilities_in_half_precision_are_held_against_whole_rows(
    tmp_path: Path, more: list[str], is_whole: bool
) -> None:
    own = trainer_of(LAB, tmp_path, "train.bf16=true", *more)
    assert own._may_have_parts(own.model) is not is_whole


def test_a_gpu_reads_whole_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = trainer_of(LAB, tmp_path)
    assert own._may_have_parts(own.model)
    monkeypatch.setattr(type(own.accelerator), "device", torch.device("cuda"))
    assert not own._may_have_parts(own.model)


def test_deepspeeds_timers_want_whole_batches(tmp_path: Path) -> None:
    own = trainer_of(LAB, tmp_path)
    for is_on in (False, True):
        engine = SimpleNamespace(wall_clock_breakdown=lambda is_on=is_on: is_on)
        own._own = lambda model: own.model
        assert own._may_have_parts(engine) is not is_on


REENTRANT = "+train.trl.gradient_checkpointing_kwargs={use_reentrant: true}"


@pytest.mark.parametrize("overrides", [["train.beta=0.04"], ["train.gradient_checkpointing=true", REENTRANT]])
def test_a_distance_to_the_reference_and_reentrant_checkpoints_have_one_part(
    tmp_path: Path, overrides: list[str]
) -> None:
    own = trainer_of(LAB, tmp_path, *overrides)
    assert computed(own, Trainer)[3] == 32 * (7 + 40) and own._way is None
