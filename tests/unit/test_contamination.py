"""Overlap of a pool with benchmarks: shares worked out by hand, texts that are one or are not, real counts."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from random import Random

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.dataset.overlap import Pair, find_overlaps, normal_form
from ufo_rl.experiment.prepare import load_benchmarks
from ufo_rl.files.column_path import value_at
from ufo_rl.records import Prompt, prompt_id

TEST_SETS = ("math500", "gsm8k", "aime24", "aime25", "amc23", "minerva", "olympiadbench")
TRAIN_SETS = {
    "gsm8k": ("gsm8k_train.jsonl", "question"),
    "math": ("math_train.jsonl", "problem"),
    "dapo": ("dapo_math_17k.jsonl", "prompt.0.content"),
}


def prompts(*questions: str) -> list[Prompt]:
    return [Prompt(prompt_id(q), q, "0") for q in questions]


def pairs(pool: list[str], question: str, ngram: int, threshold: float) -> list[tuple[str, float | None, bool]]:
    text = {prompt_id(q): q for q in pool}
    (overlap,) = find_overlaps(prompts(*pool), {"test": prompts(question)}, ngram, threshold).values()
    assert all(pair.question_id == prompt_id(question) for pair in overlap.pairs)
    return [(text[pair.prompt_id], pair.containment, pair.is_exact) for pair in overlap.pairs]


def test_containment_is_the_share_of_the_questions_ngrams_in_one_prompt() -> None:
    # Trigrams of the question: "one two three", "two three four", "three four five".
    question = "One two three, four five"  # the comma is a token: 6 tokens, 4 trigrams
    plain = "one two three four five"
    assert pairs(["say ONE two three four!"], plain, 3, 2 / 3) == [("say ONE two three four!", 2 / 3, False)]
    assert pairs(["say ONE two three four!"], plain, 3, 0.67) == []
    assert pairs(["one two three", "three four five"], plain, 3, 0.5) == []  # a third each
    assert pairs(["one two three four five six"], question, 3, 0.25) == [("one two three four five six", 0.25, False)]
    assert pairs([question + " six"], question, 3, 1.0) == [(question + " six", 1.0, False)]


def test_a_repeated_ngram_counts_once() -> None:
    # "a b a b a b a c": trigrams aba, bab, aba, bab, aba, bac: three distinct ones, two of them in "a b a b".
    assert pairs(["a b a b"], "a b a b a b a c", 3, 0.5) == [("a b a b", 2 / 3, False)]


def test_short_questions_are_found_by_their_text_alone() -> None:
    pool = ["47 + 5 = ?", "47-5=?", "What is 47+5=?", "4+75=?"]
    assert pairs(pool, "47+5=?", 8, 0.1) == [("47 + 5 = ?", None, True)]


def test_equal_texts_are_hits_below_the_threshold() -> None:
    question = "If $m$ and $n$ are integers, what is $\\left| m - n \\right|$ ?"
    other = "If $m$ and $n$ are integers, what is $|m-n|$?"
    # 25 tokens, 18 8-grams; the first 14 tokens, up to "is $", are shared: 7 of them.
    assert pairs([other], question, 8, 0.8) == [(other, 7 / 18, True)]


def test_against_the_definition_on_random_texts() -> None:
    random = Random(0)
    texts = [" ".join(random.choices("abc", k=random.randint(1, 12))) for _ in range(120)]
    pool, questions = list(dict.fromkeys(texts[:80])), list(dict.fromkeys(texts[80:]))

    def grams(text: str) -> set[str]:
        words = text.split()
        return {" ".join(words[i : i + 4]) for i in range(len(words) - 3)}

    expected = {
        (q, p)
        for q in questions
        for p in pool
        if (grams(q) and len(grams(q) & grams(p)) / len(grams(q)) >= 0.5) or q.replace(" ", "") == p.replace(" ", "")
    }
    overlap = find_overlaps(prompts(*pool), {"test": prompts(*questions)}, 4, 0.5)["test"]
    text = {prompt_id(t): t for t in texts}
    assert {(text[pair.question_id], text[pair.prompt_id]) for pair in overlap.pairs} == expected
    assert len(expected) > 20 and overlap.num_questions == len(questions)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("What is 2 + 2?", "what is 2+2"),
        ("Let $x$ be $5.$ Find both.", "Let x be 5. find both!"),
        ("Find \\[ x^{2}\\,+\\ y \\quad z. \\]", "Find $x^2+yz$"),
        ("Find $\\left( a, b \\right)$", "Find (a,b)"),
        ("Janet\u2019s \u201cduck\u201d costs \\$5", 'Janet\'s "duck" costs $5'),
        ("the value of x\u00b2 \u2212 y\u2081\u2080", "the value of $x^2 - y_{10}$"),
        ("\uff14\uff17\uff0b\uff15\uff1d\uff1f", "47+5=?"),
        ("\u6c42 $x$ \u7684\u503c\u3002", "\u6c42x\u7684\u503c"),
        ("the set, where $x$ is", "the set where x is"),
        ("$xy+z$", "$x y + z$"),
    ],
)
def test_one_text_in_two_spellings(left: str, right: str) -> None:
    assert normal_form(left) == normal_form(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("47+5=?", "47-5=?"),
        ("1.5", "15"),
        ("1,5", "15"),
        ("1 5", "15"),
        ("1$ $5", "15"),
        ("is 5. 3 of", "is 5.3 of"),
        ("is 5\u30023 of", "is 5.3 of"),
        ("(1,2)", "(12)"),
        ("(1, 2)", "(1 2)"),
        ("(1,2)", "(1;2)"),
        ("gcd $(a,b)$", "gcd $(ab)$"),
        ("$a!, b$", "$a!b$"),
        ("3:4", "34"),
        ("What is $5!$", "What is $5$"),
        ("What is $n!!$", "What is $n!$"),
        ("What is $(ab)!$", "What is $(ab)$"),
        ("$f'(x)$", "$f(x)$"),
        ("$f''(x)$", "$f'(x)$"),
        ("an angle of $5''$", "an angle of $5'$"),
        ("x^2", "x_2"),
        ("x^2", "x2"),
        ("x\u00b2", "x2"),
        ("10\u00b9\u00b2", "1012"),
        ("x\u2082", "x2"),
        ("3\u00bd", "31/2"),
        ("x^{2}3", "x^{23}"),
        ("x^{ab}", "x^{a}b"),
        ("|x|", "x"),
        ("\\{1\\}", "1"),
        ("-5", "5"),
        ("10%", "10"),
        ("$x \\sim y$", "$x y$"),
        ("$x ~ y$", "$x y$"),
        ("$\\Delta$", "$\\delta$"),
        ("Find $X$", "Find $x$"),
        ("sides $AB$", "sides $ab$"),
        ("$x \\in t$", "$x \\int$"),
        ("$\\leftarrow x$", "$x$"),
        ("0.99...", "0.99"),
        ("$z^4 + z^2 + 1$", "$z^4 - z^2 + 1$"),
        ("1\\\\2", "12"),
    ],
)
def test_other_mathematics_is_another_text(left: str, right: str) -> None:
    assert normal_form(left) != normal_form(right)


def test_marks_alone_are_no_text() -> None:
    assert pairs(["!", "$."], "?", 8, 0.8) == []


@pytest.fixture(scope="module")
def benchmarks(shared_data: Path) -> dict[str, list[Prompt]]:
    (job,) = compose_jobs([f"eval=[{','.join(TEST_SETS)}]", f"paths.data={shared_data}"])
    return load_benchmarks(load(job.plain))


def read(folder: Path, file: str, question: str) -> list[Prompt]:
    """The questions of a file, each once; answers play no part."""
    rows = [json.loads(line) for line in (folder / file).read_text().splitlines()]
    found = [unicodedata.normalize("NFC", value_at(row, question)).strip() for row in rows]
    return prompts(*dict.fromkeys(found))


# Questions hit by containment are those of the data's README; it counted 5, 7 and 8 equal texts in DAPO. Here
# |x| with and without \left, and x^{5} and x^5, are equal texts too: 6, 8 and 8, each pair read by eye.
COUNTS = {
    "gsm8k": {},
    "math": {"math500": (6, 6, 0, 13), "olympiadbench": (0, 1, 1, 1)},
    "dapo": {"math500": (14, 15, 6, 17), "amc23": (15, 16, 8, 22), "olympiadbench": (22, 27, 8, 27)},
}


@pytest.mark.parametrize("name", list(TRAIN_SETS))
def test_counts_of_the_published_sets(shared_data: Path, benchmarks: dict[str, list[Prompt]], name: str) -> None:
    """Questions by containment, by either, by equal text; prompts."""
    pool = read(shared_data, *TRAIN_SETS[name])
    found = find_overlaps(pool, benchmarks, 8, 0.8)

    def by_containment(pairs: list[Pair]) -> int:
        return len({pair.question_id for pair in pairs if (pair.containment or 0) >= 0.8})

    counts = {
        test: (by_containment(o.pairs), len(o.hit_questions), len(o.exact_questions), len(o.hit_prompts))
        for test, o in found.items()
        if o.pairs
    }
    assert counts == COUNTS[name]
    forms = {normal_form(q.question) for questions in benchmarks.values() for q in questions}
    exact = {pair.prompt_id for o in found.values() for pair in o.pairs if pair.is_exact}
    assert exact == {p.id for p in pool if normal_form(p.question) in forms}  # the quick look at digits loses none
