"""What a prompt begins of the answer's form counts in the format reward, is closed before a scored answer, and is graded."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.config.schema import Template
from ufo_rl.evaluation.benchmark import judge
from ufo_rl.grader.math import MathGrader
from ufo_rl.model.template import messages, plain_text, render
from ufo_rl.model.turn import answer_form, in_words
from ufo_rl.records import AnswerForm, Prompt
from ufo_rl.reward.correctness import Correctness
from ufo_rl.reward.format import Format
from ufo_rl.reward.parts import build_part, for_trl
from ufo_rl.signals.confidence.target import scored_text

R1 = Template("r1", "Think first.", "{question}")
BOXED = Template("boxed", "", "{question}", answer_prefix="\\boxed{", answer_suffix="}")
PLAIN = Template("plain", "", "Q: {question}\nA:", layout="text", answer_prefix=" The answer is ", answer_suffix="")
PROMPT = Prompt("id", "2+3?", "5", solution="2+3=5")
LOOP = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
CHAT = LOOP + "{% if add_generation_prompt %}<assistant>OPEN{% endif %}"


def rendered(begun: str, template: Template = R1) -> str:
    """The prompt of a chat template that ends in `begun`."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), chat_template=CHAT.replace("OPEN", begun)
    )
    return render(tokenizer, messages(template, PROMPT.question, True))


def form_of(begun: str, template: Template = R1) -> AnswerForm:
    return answer_form(template, rendered(begun, template))


@pytest.mark.parametrize(
    ("begun", "right", "wrong"),
    [
        ("", "<think>a</think><answer>5</answer>", "a</think><answer>5</answer>"),
        ("<think>", "a</think><answer>5</answer>", "<think>a</think><answer>5</answer>"),
        ("<think>\n", "a\n</think>\n\n<answer>5</answer>", "a<answer>5</answer>"),
        ("<think>\n\n</think>\n\n", "<answer>5</answer>", "5"),
        ("<think>\n\n</think>\n\n", "<think>a</think> <answer>5</answer>", "a</think><answer>5</answer>"),
        ("<thinking>\n", "a</thinking><answer>5</answer>", "a</think><answer>5</answer>"),
        ("[THINK]", "a[/THINK]<answer>5</answer>", "a</think><answer>5</answer>"),
        ("<answer>", "5</answer>", "<answer>5</answer>"),
        ("<think></think><answer> ", "5</answer>", "5"),
    ],
)
def test_the_right_form_behind_what_the_prompt_holds_is_rewarded(begun: str, right: str, wrong: str) -> None:
    form = form_of(begun)
    assert form.begun == begun
    part = Format(0.2, form)
    assert part([], [right, wrong, [{"role": "assistant", "content": right}]]) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("begun", "before"),
    [
        ("", "<answer> "),
        ("<think>", "\n\n</think>\n\n<answer> "),
        ("<think>\n", "\n</think>\n\n<answer> "),
        ("<think>\n\n</think>\n\n", "<answer> "),
        ("<reasoning>\n", "\n</reasoning>\n\n<answer> "),
        ("<answer>", " "),
        ("<answer> ", ""),
    ],
)
def test_an_open_think_is_closed_before_the_scored_answer(begun: str, before: str) -> None:
    text, start = scored_text("answer", rendered(begun), PROMPT, form_of(begun))
    assert (text[:start], text[start:]) == (rendered(begun) + before, "5")


def test_qwens_way_of_not_thinking_is_what_an_open_think_becomes() -> None:
    thinking, closed = (
        scored_text("answer", rendered(begun), PROMPT, form_of(begun))
        for begun in ("<think>\n", "<think>\n\n</think>\n\n")
    )
    assert thinking == closed


@pytest.mark.parametrize(
    ("begun", "before"), [("", "<think> "), ("<think>\n", ""), ("<think>", " "), ("<answer> ", "")]
)
def test_a_scored_solution_stands_in_the_think_that_is_open(begun: str, before: str) -> None:
    text, start = scored_text("solution", rendered(begun), PROMPT, form_of(begun))
    assert (text[:start], text[start:]) == (rendered(begun) + before, "2+3=5")


def test_what_the_prompt_speaks_of_is_not_begun() -> None:
    """Tags in a question or a system message are words about the form."""
    for text in ("<user>Put it between <think> and </think><assistant>", "<answer> is a tag<assistant>\n", "<think>so"):
        assert answer_form(R1, text).begun == ""


def test_it_is_said_what_is_begun() -> None:
    assert in_words(form_of("")) == ""
    assert "every prompt ends in '<think>\\n'" in in_words(form_of("<think>\n")) and "</think>" in in_words(
        form_of("<think>\n")
    )
    assert "closed" in in_words(form_of("<think></think>")) and "graded" in in_words(form_of("<answer>"))


def test_an_answer_that_the_prompt_opens_is_graded() -> None:
    grader, form = MathGrader(10.0, 10_000), form_of("<answer>")
    said = ["5</answer>", "6</answer>"]
    assert Correctness(1.0, grader, form)([], said, answer=["5", "5"]) == [1.0, 0.0]
    rows = [{"sample": i, "completion": text, "generated_tokens": 2, "finish": "stop"} for i, text in enumerate(said)]
    graded = list(judge([(PROMPT, "")] * 2, rows, grader.grade_all, form.opened))
    assert [row["correct"] for row in graded] == [True, False] and graded[0]["completion"] == "5</answer>"
    assert form_of("<think>\n").opened == ""  # reasoning needs nothing in front
    grader.close()


@pytest.mark.parametrize(
    ("begun", "completion", "reward"),
    [
        ("", r"So it is \boxed{5}.", 1.0),
        ("", "So it is 5.", 0.0),
        ("", r"So it is \boxed{5", 0.0),
        ("", r"\boxed{}", 0.0),
        ("<think>\n", r"perhaps \boxed{4}</think> \boxed{5}", 1.0),
        ("<think>\n", r"perhaps \boxed{4}</think> four", 0.0),
        ("<think>\n", r"perhaps \boxed{4}", 0.0),
    ],
)
def test_a_boxed_answer_has_a_form_of_its_own(begun: str, completion: str, reward: float) -> None:
    assert Format(0.2, form_of(begun, BOXED))([], [completion]) == [reward]


def test_boxed_and_plain_answers_are_scored_behind_their_own_marks() -> None:
    assert scored_text("answer", "<assistant>", PROMPT, form_of("", BOXED))[0] == "<assistant>\\boxed{5"
    assert (
        scored_text("answer", "<think>\n", PROMPT, form_of("<think>\n", BOXED))[0] == "<think>\n\n</think>\n\n\\boxed{5"
    )
    text = plain_text(PLAIN, PROMPT.question)
    assert scored_text("answer", text, PROMPT, answer_form(PLAIN, text)) == ("Q: 2+3?\nA: The answer is 5", 25)
    assert scored_text("solution", text, PROMPT, answer_form(PLAIN, text))[0] == "Q: 2+3?\nA: 2+3=5"


def test_rewards_get_the_runs_form_and_what_stands_before_a_stop() -> None:
    node = {"_target_": "ufo_rl.reward.format.Format", "weight": 0.2}
    part = build_part("format", node, answer_form=form_of("", PLAIN))

    class Columns:
        def of(self, ids: list[str]) -> dict[str, list[str]]:
            return {"id": ids}

    reward = for_trl(part, Columns(), ["Question:"])  # pyright: ignore[reportArgumentType]
    said = [
        "The answer is 5\n\nQuestion: 1+1",
        "\n\nQuestion: The answer is 5",
        [{"content": "The answer is 5Question:"}],
    ]
    assert reward(prompts=[], completions=said, id=["a", "b", "c"]) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ["r1", "short", "boxed", "plain"])
def test_the_templates_form_is_what_its_words_ask_for(name: str) -> None:
    (job,) = compose_jobs([f"template={name}"])
    template = load(job.plain).template
    right = {"boxed": r"2+3 is \boxed{5}", "plain": " 2+3 is 5. The answer is 5"}.get(
        name, "<think>s</think><answer>5</answer>"
    )
    grader, form = MathGrader(10.0, 10_000), answer_form(template, "prompt")
    assert Format(0.2, form)([], [right, "5"]) == [1.0, 0.0]
    assert Correctness(1.0, grader, form)([], [right], answer=["5"]) == [1.0]
    grader.close()
