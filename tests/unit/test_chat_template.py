"""Chat templates of the user's, the variables that they read, models without one, completions that end at a text."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import identity, run_id
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import check, check_evaluation
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.chat_template import unknown_variables, variables_of
from ufo_rl.model.engine import Sampling, until
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer, packaged
from ufo_rl.records import Prompt
from ufo_rl.training.trl_fields import trl_problems

LAB = packaged("package:lab/tiny")
OWN = (
    "{% for m in messages %}[{{ m.content }}]{% endfor %}{% if mood %}{{ mood }}{% endif %}"
    "{% if add_generation_prompt %}>{% endif %}"
)
PROMPT = Prompt("id", "2+3?", "5")


def chat(folder: Path, *words: str) -> ChatModel:
    (job,) = compose_jobs(words)
    config = load(job.plain)
    return ChatModel(config.model, config.template, folder / "memo.json")


def told(*words: str, by: Any = check) -> list[str]:
    with pytest.raises(UserError) as caught:
        (job,) = compose_jobs(words)
        by(job.plain)
    return caught.value.problems


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.jinja").write_text(OWN)
    return tmp_path


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base model: the lab's, without a chat template."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(LAB, tmp_path / "base", ignore=shutil.ignore_patterns("chat_template.jinja"))
    return tmp_path


def test_a_chat_template_of_ones_own_is_read_and_known_by_its_text(own: Path) -> None:
    lab, mine = chat(own, "model=tiny"), chat(own, "model.chat_template=own.jinja", "model=tiny")
    assert lab.render(PROMPT) == "<|user|>2+3?<|assistant|>" and mine.render(PROMPT) == "[2+3?]>"
    assert "chat_template" not in lab.id and {**lab.id, "chat_template": mine.id["chat_template"]} == mine.id
    (own / "same.jinja").write_text(OWN)
    (own / "other.jinja").write_text(OWN + " ")
    assert chat(own, "model.chat_template=same.jinja", "model=tiny").id == mine.id
    assert chat(own, "model.chat_template=other.jinja", "model=tiny").id != mine.id


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "model.chat_template=bad.jinja: no such file"),
        (b"\xff{{ messages }}", "model.chat_template=bad.jinja cannot be read as text in UTF-8"),
        (b"{{ messages\n{% for %}", "model.chat_template=bad.jinja: line 2 of the chat template: "),
        (b"Hello", "model.chat_template=bad.jinja reads no messages: no question would be shown"),
    ],
)
def test_a_bad_chat_template_is_told_before_anything_starts(own: Path, text: bytes | None, problem: str) -> None:
    if text is not None:
        (own / "bad.jinja").write_bytes(text)
    (found,) = told("model.chat_template=bad.jinja", "model=tiny")
    assert found.startswith(problem)


def test_variables_of_the_chat_template_are_set_and_unknown_ones_are_told(own: Path) -> None:
    words = ("model.chat_template=own.jinja", "model=tiny")
    assert chat(own, *words, "template.chat_template_kwargs={mood: glad}").render(PROMPT) == "[2+3?]glad>"
    assert chat(own, *words, "template.chat_template_kwargs.mood=glad").render(PROMPT) == "[2+3?]glad>"
    assert told(*words, "template.chat_template_kwargs={moood: 1, messages: []}") == [
        'template.chat_template_kwargs.moood: the chat template knows no such variable; did you mean "mood"? (it reads mood)',
        "template.chat_template_kwargs.messages: set by the program, not by hand; leave it out",
    ]
    (problem,) = told("template.chat_template_kwargs.enable_thinking=false")
    assert problem.endswith("enable_thinking: the chat template knows no such variable (it reads none)")


@pytest.mark.parametrize("value", ["'false'", "'No'", "0", "null", "[1]"])
def test_a_switch_that_is_neither_true_nor_false_is_told(own: Path, value: str) -> None:
    (own / "switch.jinja").write_text(
        OWN + "{% if thinking is defined and thinking is false %}<think></think>{% endif %}"
    )
    words = ("model.chat_template=switch.jinja", "model=tiny")
    (problem,) = told(*words, f"template.chat_template_kwargs={{thinking: {value}}}")
    assert "is neither true nor false" in problem and problem.endswith("thinking=true or false, without quotes")
    said = chat(own, *words, "template.chat_template_kwargs={thinking: false, mood: 0}").render(PROMPT)
    assert said.endswith("<think></think>")


def test_training_takes_the_variables_of_the_template() -> None:
    (problem,) = trl_problems({"chat_template_kwargs": {"mood": 1}})
    assert "template.chat_template_kwargs" in problem


@pytest.fixture
def qwen3(shared_data: Path) -> Path:
    """The real tokenizer, in the folder beside the data."""
    return shared_data.parent / "tokenizers/qwen3"


def test_qwen3_thinks_or_not_by_its_own_switch(qwen3: Path, tmp_path: Path) -> None:
    def rendered(*words: str) -> str:
        made = chat(tmp_path, f"model.path={qwen3}", "template=boxed", *words)
        made.files.__dict__["folder"] = qwen3  # it has no weights
        return made.render(PROMPT)

    thinking, silent = rendered(), rendered("template.chat_template_kwargs.enable_thinking=false")
    assert thinking.endswith("<|im_start|>assistant\n") and silent == f"{thinking}<think>\n\n</think>\n\n"
    known = variables_of(load_tokenizer(qwen3).chat_template, "it")
    (problem,) = unknown_variables("template", {"enable_thinkin": False}, known)
    assert 'did you mean "enable_thinking"?' in problem


def test_a_base_model_says_in_one_message_what_to_choose(base: Path) -> None:
    (problem,) = told("model.path=base")
    assert problem == (
        "model.path=base has no chat template, which template=r1 needs: for a base model choose template=plain, for an "
        "instruct model take its own from the folder that it came from, or give one with model.chat_template=FILE"
    )
    (again,) = told("model.path=base", "eval=arithmetic", by=check_evaluation)
    assert again == problem
    (job,) = compose_jobs(["model.path=base", "template=plain"])
    check(job.plain)


def test_a_benchmark_with_a_template_of_its_own_needs_no_other(base: Path, shared_data: Path) -> None:
    (job,) = compose_jobs(["model.path=base", "eval=gsm8k_5shot", f"paths.data={shared_data}"])
    check_evaluation(job.plain)
    assert (
        len(told("model.path=base", "eval=[gsm8k_5shot,gsm8k]", f"paths.data={shared_data}", by=check_evaluation)) == 1
    )


def test_a_plain_text_begins_with_the_token_that_the_tokenizer_puts_there(base: Path) -> None:
    made = chat(base, "model.path=base", "template=plain")
    assert made.render(PROMPT) == made.training_prompt(PROMPT) == "Question: 2+3?\nAnswer:"
    made.files.__dict__["begin"] = "<s>"
    assert made.render(PROMPT) == "<s>Question: 2+3?\nAnswer:"
    assert made.training_prompt(PROMPT) == "Question: 2+3?\nAnswer:"  # TRL's tokenizer adds its own


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (['template.stop=[""]'], 'template.stop holds ""'),
        (
            ["template=plain", "+template.chat_template_kwargs.x=1"],
            "template.chat_template_kwargs={'x': 1}: template.layout=text uses no chat template",
        ),
        (["template.layout=chatty"], "template.layout=chatty must be one of chat, text"),
        (["template=plain", "template.user=Hm"], 'template.user="Hm" has no {question}'),
        (["eval=gsm8k_5shot", "eval.gsm8k_5shot.template.user=Hm"], 'eval.gsm8k_5shot.template.user="Hm" has no'),
    ],
)
def test_wrong_values_of_a_template_are_told(words: list[str], problem: str) -> None:
    (job,) = compose_jobs(words)
    with pytest.raises(UserError) as caught:
        load(job.plain)
    assert caught.value.problems[0].startswith(problem)


def test_keys_that_came_later_change_no_identity_where_they_have_their_defaults() -> None:
    (job,) = compose_jobs(["model=tiny"])
    kept = identity(job.plain)
    assert set(kept["template"]) == {"name", "system", "user"} and "chat_template" not in kept["model"]
    assert not {"template", "drawn_shots"} & set(kept["eval"]["arithmetic"])
    old = {**job.plain, "template": kept["template"], "model": kept["model"], "eval": kept["eval"]}
    assert run_id(old) == run_id(job.plain) == "tiny-arithmetic-ufo-10pct-s0-fbc84d25"  # as 0.1.0 called it
    (other,) = compose_jobs(["model=tiny", "template.stop=[x]"])
    assert run_id(other.plain) != run_id(job.plain)


def test_a_completion_ends_before_the_first_of_its_stops() -> None:
    assert until("5\nQuestion: 1\n#", ["#", "Question:"]) == "5\n" and until("5", ["#"]) == "5"
    tokenizer = load_tokenizer(LAB)
    engine = HFEngine(load_model(LAB, "float32", "cpu"), tokenizer, 4096, end_ids(LAB, tokenizer))
    texts = [f"<|user|>{question}<|assistant|>" for question in ("2+3=?", "17+25+3=?")]

    def generated(stop: tuple[str, ...]) -> list[Any]:
        made = [one for batch in engine.generate(texts, Sampling(0.0, 64, stop), [0, 0]) for one in batch]
        return [said for _, said in sorted(made, key=lambda one: one[0])]

    for whole, cut in zip(generated(()), generated(("</answer>", "no such text")), strict=True):
        assert "</answer>" in whole.text and cut.text == whole.text.partition("</answer>")[0]
        assert cut.finish == "stop" and len(cut.ids) < len(whole.ids)
        assert tokenizer.decode(cut.ids, skip_special_tokens=True).startswith(cut.text + "</answer>")
