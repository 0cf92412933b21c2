"""The grader decides by text, exact numbers, then math-verify in a process of its own, always within its limits."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier_children import pids
from ufo_rl.grader.math import MathGrader
from ufo_rl.grader.math.formula.rational import rational, same_number
from ufo_rl.grader.math.process.verifier import Verifier
from ufo_rl.grader.math.text.normal import normalise

HANGS = r"\int_0^1 9^{9^{9^9}} dx"


@pytest.fixture(scope="module")
def grader():
    grader = MathGrader(time_limit_s=10, max_chars=2000)
    yield grader
    grader.close()


def boxed(answer):
    return rf"hence \boxed{{{answer}}}"


@pytest.mark.parametrize(
    ("gold", "answer", "method"),
    [
        ("42", "42", "exact"),
        (r"\frac{1}{2}", r"$\dfrac{1}{2}$", "exact"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \frac{\pi}{2})", "exact"),
        ("Friday", "Friday.", "exact"),
        ("1080", "1,080", "exact"),
        ("10000", r"10{,}000", "exact"),
        ("25", "025", "number"),
        ("0.5", r"\frac{2}{4}", "number"),
        ("-3/4", r"-\frac{3}{4}", "number"),
        ("7", "7.00", "number"),
        ("18", "\\$18", "exact"),
        ("-5", "\u22125", "exact"),
        (r"28\%", "0.28", "number"),
        ("x^2+2x+1", "(x+1)^2", "formula"),
        (r"\sqrt{8}", r"2\sqrt{2}", "formula"),
        ("1,2", "2, 1", "formula"),
        ("5", "x = 5", "formula"),
        (r"90^\circ", "90", "formula"),
        (r"\frac{2}{3}", "0.6666667", "formula"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ \frac{4}{2} \end{pmatrix}", "formula"),
        (r"1 \pm i", r"1 + i, 1 - i", "formula"),
        (r"(\pm 1, 0)", "(1,0) and (-1,0)", "formula"),
        ("(1,2),(2,1)", r"x=1, y=2 \text{ or } x=2, y=1", "formula"),
        ("(2,3)", r"\begin{cases} x=2 \\ y=3 \end{cases}", "formula"),
        (
            r"\begin{cases} 0 & x < 0 \\ x & x \ge 0 \end{cases}",
            r"f(x)=\begin{cases}x&x\ge0\\0&x<0\end{cases}",
            "formula",
        ),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1,2],[3,4]]", "formula"),
        (r"0.1\overline{6}", "1/6", "formula"),
        (r"\binom{n}{2}", r"{n \choose 2}", "formula"),
        (r"\tan 45^\circ", "1", "formula"),
        ("(0, 1) \\cup (1, 2)", r"0 < x < 2 \text{ and } x \ne 1", "formula"),
        ("(1,3)", r"x > 1 \text{ and } x < 3", "formula"),
        ("f(x) = x^2", "f(t) = t^2", "formula"),
        ("42", "42 cookies", "formula"),
        ("9.8", r"9.8 \mathrm{~m/s}^2", "formula"),
        (r"k\pi", r"k\pi, k \in \mathbb{Z}", "formula"),
        ("2^n - 1", "2\u207f \u2212 1", "formula"),
        ("No", "NO", "formula"),
        (r"\sum_{k=1}^{n} k^2", r"\frac{n(n+1)(2n+1)}{6}", "formula"),
        (r"\sum_{i=1}^{n} i^2", r"\sum_{k=1}^{n} k^2", "formula"),
        (r"\prod_{k=1}^{n} k", "n!", "formula"),
        ("x^2 + C", "x^2 + c", "exact"),
        (r"\frac{k\pi}{2}, k \in \mathbb{Z}", r"\frac{n\pi}{2} (n \in \mathbb{Z})", "formula"),
        ("(1,1,1)", "x = y = z = 1", "formula"),
        ("(-2,0),(2,0)", "A(-2,0), B(2,0)", "formula"),
        (r"\int_0^1 x^2 dx", r"\frac{1}{3}", "math_verify"),
    ],
)
def test_equal(grader, gold, answer, method):
    graded = grader.grade(gold, boxed(answer))
    assert (graded.correct, graded.method, graded.reason) == (True, method, "")


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("42", "-42"),
        ("1080", "1,081"),
        ("12345678901234567890123", "12345678901234567890124"),  # one float, two integers
        ("0.1", "0.10000000000000001"),
        ("3450", "3, 450"),
        ("50%", "0.5%"),
        ("[0,1)", "(0,1)"),
        ("(1,2)", "(2,1)"),
        ("x+1", "x+2"),
        ("4", r"4\sqrt{2}"),
        ("0", "open('marker', 'w') or 0"),
        ("3", "1, 2, 3"),
        (r"\sum_{k=1}^{2} 3", r"\sum_{k=1}^{23}"),
        ("Even", "odd"),
        ("32349", "32, 349"),
        (r"\sum_{k=1}^{n} k^2", r"\sum_{k=1}^{n} k^3"),
        (r"k\pi, k \in \mathbb{Z}", r"2k\pi, k \in \mathbb{Z}"),
        (r"\gcd(m,n)", r"\gcd(m,k)"),
        ("C", "(C) or (D)"),
        ("(15,-29)", "[15,-29)"),
        ("I(0)", "-I(0)"),
        ("5", "not 5"),
        ("5", "5 or more"),
        ("5", "5 million"),
        ("5", "5+"),
        ("5", "5==5"),
        ("(2,5]", "2, 5"),
        (r"2^{2^{20}}", r"2^{2^{20}} + 1"),
        (r"\tan 20^\circ", r"\tan 20"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{vmatrix}1&2\\3&4\end{vmatrix}"),
        (r"\angle ABC", r"\angle ACB"),
        (r"\{x \in \mathbb{R} : x > 0\}", r"\{x \in \mathbb{Z} : x > 0\}"),
        (r"\begin{cases} 0 & x < 0 \\ x & x \ge 0 \end{cases}", r"\begin{cases}0&x\le0\\x&x>0\end{cases}"),
    ],
)
def test_not_equal(grader, gold, answer):
    assert not grader.grade(gold, boxed(answer)).correct


@pytest.mark.parametrize(
    ("exact", "right", "wrong"),
    [
        ("1/2", ["0.5", "0.500000"], ["0.500001", "0.4999999"]),
        (r"\frac{1}{8}", ["0.125"], ["0.125001"]),
        (r"\sqrt{\frac14}", ["0.50"], ["0.499999"]),
        ("1/3", ["0.333333", "0.33333333"], ["0.333334", "0.33333"]),
        ("2/3", ["0.666666", "0.666667"], ["0.666665", "0.666668"]),
        (r"\sqrt{2}", ["1.414213", "1.414214", "1.4142135623730951"], ["1.41421", "1.414215", "1.4142135623730952"]),
        (r"-\pi", ["-3.141592", "-3.141593"], ["3.141593", "-3.141594"]),
        ("1/300", ["0.00333333"], ["0.003333", "0.003334"]),
        ("2/7", [r"28.571428\%", r"28.571429\%"], [r"28.571427\%", r"28.5714\%"]),
        (r"\frac{1}{2^{60}}", ["0.00000000000000000086736173798840354"], ["0.000000", "0.000001"]),
        (r"\int_0^1 x^2 dx", ["0.333333"], ["0.333334", "0.3333"]),
        (r"\int_0^1 x dx", ["0.5"], ["0.5000001"]),
        (r"(\int_0^1 x dx, 3)", ["(0.5, 3)"], ["(0.5000001, 3)"]),
        ("(3,4)", ["(3.0,4)"], ["(3.000001,4)"]),
        (r"\lim_{x \to 0} x", ["0.0"], ["0.0000001"]),
    ],
)
def test_decimals_stand_for_what_they_are_rounded_from(grader, exact, right, wrong):
    assert [[grader.grade(*pair).correct for pair in ((exact, boxed(d)), (d, boxed(exact)))] for d in right] == [
        [True, True] for _ in right
    ]
    assert not any(grader.grade(exact, boxed(d)).correct or grader.grade(d, boxed(exact)).correct for d in wrong)


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (r"y^{\prime}+r y-r x(t)=0", [r"y^{\prime} + r y - r x(t) = 0"], ["0"]),
        (r"\nabla\cdot E=0", [], ["0"]),
        (r"\int f=1", [], ["1"]),
        ("x=5", ["5"], ["6"]),
        (r"\text{area}=5", ["5", r"\text{area of } \triangle ABC = 5"], [r"\text{not } = 5"]),
        ("90", [r"\angle ABC = 90", r"\angle ABC = 90^\circ"], [r"\angle ABC = 91"]),
        ("1/2", ["P(X=2)=1/2", r"P(A\cup B)=\frac12"], ["P(X=2)=2"]),
        ("3", [r"f^{\prime}(2)=3", r"\lim_{x\to1} 3x = 3", r"\gcd(6,9)=3"], ["2x=3", "x'+x=3"]),
        ("6", ["[ABC]=6", r"\mathbb{E}[X]=6", r"\text{lcm}(2,3)=6", r"2\text{ m}\cdot 3\text{ m}=6"], [r"\sqrt{AB}=6"]),
        ("0", [r"\int_0^1 0 dx=0"], [r"\nabla\cdot E=0", r"y^{\prime}+y=0"]),
        ("10", ["5+5=10", r"A = 2\cdot 5 = 10", "x = 10"], ["4=10", "1=2=10", "x=4=10", "10=4"]),
        ("120", ["5!=120", "5! = 120", "x=5!=120", r"5!=5\cdot4\cdot3\cdot2=120"], ["4!=120", "x!=120", "5"]),
        (r"x\ne 3", ["x != 3", "x!=3"], ["x=3"]),
        ("-5", ["\u20125", "\u22125"], ["5"]),
        ("1/3", [r"0.333\ldots", "0.3333..."], [r"0.33\ldots", r"0.332\ldots", "0.333"]),
        ("1/6", [r"0.1666\ldots"], [r"0.1616\ldots"]),
        ("f(x)=x", ["f(y)=y"], ["f(y)=x"]),
        (
            r"\frac{1}{46}\binom{2024}{990}+\frac{1}{2}",
            [r"\frac{\binom{2024}{990}+23}{46}"],
            [r"\frac{\binom{2024}{991}+23}{46}"],
        ),
        (r"\binom{10^9}{2}", ["499999999500000000"], ["499999999500000001", r"\binom{10^9}{500000}"]),
    ],
)
def test_kinds_of_answers(grader, gold, right, wrong):
    assert [answer for answer in right if not grader.grade(gold, boxed(answer)).correct] == []
    assert [answer for answer in wrong if grader.grade(gold, boxed(answer)).correct] == []


def test_unparsed_is_wrong_with_its_reason(grader):
    assert grader.grade("42", "it is 42") == grader.grade("42", r"\boxed{42")
    nothing = grader.grade("42", "it is 42")
    assert (nothing.correct, nothing.extracted, nothing.method) == (False, "", "none")
    assert nothing.reason.startswith("unparsed")
    assert grader.grade("42", boxed(r"\frac{1}{")).reason.startswith("unparsed")
    long = grader.grade("42", boxed("x+" * 1000 + "y"))
    assert (long.correct, long.method) == (False, "none")
    assert long.reason == "unparsed: 2001 characters, the limit is 2000"


def test_cheap_paths_start_no_process():
    grader = MathGrader(time_limit_s=1, max_chars=10)
    assert grader.grade("1/2", "#### 0.5").correct
    assert not grader.grade("12", "<answer> 13</answer>").correct
    assert pids(grader._verifier) == []


@pytest.mark.parametrize(
    ("time_limit_s", "max_chars", "relative_tolerance", "named"),
    [(0, 5, None, "time_limit_s"), (1, 0, None, "max_chars"), (1, 5, 0.0, "relative_tolerance")],
)
def test_limits_are_checked(time_limit_s, max_chars, relative_tolerance, named):
    with pytest.raises(ValueError, match=named):
        MathGrader(time_limit_s, max_chars, relative_tolerance)


def test_tolerance_is_relative_to_the_gold_and_for_numbers_alone():
    grader = MathGrader(time_limit_s=10, max_chars=2000, relative_tolerance=0.01)
    near = [("100", "101"), ("100", "99"), ("-2", "-2.02"), ("3.83e35", r"3.8 \times 10^{35}"), (r"\pi", "3.14")]
    near += [("4.5 m", r"x = 4.53\text{ m}"), ("33%", "0.333"), ("5", "4.96%"), ("2", r"\int_0^2 x dx = 2.01")]
    graded = grader.grade_all([gold for gold, _ in near], [boxed(answer) for _, answer in near])
    assert [(g.correct, g.method) for g in graded] == [(True, "tolerance")] * len(near)
    far = [("100", "101.1"), ("101.1", "100"), ("2", "-2"), ("0", "0.001"), ("(100,1)", "(101,1)"), ("x", "1.001x")]
    far += [("i", "1.001i"), (r"\infty", "100"), ("100", "one hundred"), ("100", "50=100.1")]
    assert not any(g.correct for g in grader.grade_all([gold for gold, _ in far], [boxed(answer) for _, answer in far]))
    assert grader.grade("100", boxed("100")).method == "exact"
    grader.close()
    exact = MathGrader(time_limit_s=10, max_chars=2000)
    assert not any(exact.grade(gold, boxed(answer)).correct for gold, answer in near)
    exact.close()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", Fraction(1234)),
        ("-.5", Fraction(-1, 2)),
        ("3.", Fraction(3)),
        (r"-\frac{3}{-4}", Fraction(3, 4)),
        ("6/4", Fraction(3, 2)),
        ("$5", Fraction(5)),
        ("0.1", Fraction(1, 10)),
        ("1/0", None),
        ("1,23", None),
        (".", None),
        ("", None),
        ("x", None),
        ("1/2/3", None),
        ("\uff13", Fraction(3)),
        ("9" * 5000, None),
    ],
)
def test_rational(text, value):
    assert rational(normalise(text)) == value


def test_same_number_leaves_rounded_quotients_to_others():
    assert same_number("2/3", "0.67") is None
    assert same_number("2/3", "3/4") is False
    assert same_number("x", "1") is None


def test_normalise_keeps_what_carries_meaning():
    assert normalise("1 2") == "1 2"
    assert normalise(r"\sin x") == r"\sin x"
    assert normalise("3, 450") != normalise("3,450")


@given(st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,8})?", fullmatch=True))
def test_plain_numbers_are_left_as_all_rules_leave_them(number):
    assert normalise(number) == normalise(f" {number}") == number  # the blank takes the way through the rules


def test_a_hanging_question_ends_in_time_and_the_next_one_works():
    grader = MathGrader(time_limit_s=1, max_chars=2000)
    grader.grade("x", boxed("y"))  # the start of the child is not on the clock
    hanging = grader.grade("7", boxed(HANGS))
    assert (hanging.correct, hanging.method) == (False, "none")
    assert hanging.reason == "timeout: no verdict within 1 s of CPU time"
    (successor,) = pids(grader._verifier)
    assert grader.grade("2x", boxed("x+x")).correct
    assert pids(grader._verifier) == [successor]  # started before the slow one was ended
    grader.close()


@pytest.mark.parametrize(
    "answer",
    ["9^{9^{9^9}}", "10000000!", r"\binom{10^9}{10^8}", "2^{2^{100}} - 2^{2^{100}} + 7", "(" * 300 + "7" + ")" * 300],
)
def test_too_large_or_too_deep_is_wrong_without_waiting(grader, answer):
    graded = grader.grade("7", boxed(answer))
    assert not graded.correct and not graded.reason.startswith("timeout")


def test_works_off_the_main_thread(grader):
    answers = [f"{n}+x" for n in range(12)]
    with ThreadPoolExecutor(4) as threads:
        graded = list(threads.map(lambda a: grader.grade("x+3", boxed(a)), answers))
    assert [g.correct for g in graded] == [n == 3 for n in range(12)]


def test_the_thread_that_started_the_child_may_end():
    verifier = Verifier(time_limit_s=10)
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(verifier.verify, "2x", "x+x").result().equal
    assert len(pids(verifier)) == 1
    verifier.close()
