"""What came of grading a file: counts that need little memory, and the tables that show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ufo_rl.grader.math.process.verdict import Verdict
from ufo_rl.records import Graded
from ufo_rl.report.text import count, fit, interval, percent, table
from ufo_rl.stats.bootstrap import bootstrap_of_counts
from ufo_rl.stats.samples import SEED

METHODS = ("exact", "number", "formula", "math_verify", "none")  # in order of cost
REASONS = ("unparsed", "timeout", "stalled", "crash")  # how reasons begin
MAX_LISTED = 50
MAX_SHOWN = 40  # characters of a gold or an answer


@dataclass
class Tally:
    """Counts over completions. `samples` counts rows by (how many are right, of how many)."""

    methods: Counter[tuple[str, bool]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    samples: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, verdicts: Sequence[Graded]) -> None:
        """The verdicts on all completions of one row."""
        self.methods.update((verdict.method, verdict.correct) for verdict in verdicts)
        self.reasons.update(_kind(verdict.reason) for verdict in verdicts)
        self.samples[sum(verdict.correct for verdict in verdicts), len(verdicts)] += 1

    def mean(self) -> float:
        """Every row counts once, however many completions it has."""
        return sum(good / size * number for (good, size), number in self.samples.items()) / self.samples.total()

    def interval(self) -> tuple[float, float]:
        """Of the mean, 95 %: whole rows are resampled; Wilson's where each has one completion."""
        shares: Counter[float] = Counter()
        for (good, size), number in self.samples.items():
            shares[good / size] += number  # 1 of 2 and 2 of 4 are the same share
        distinct = sorted(shares)
        return bootstrap_of_counts(distinct, [shares[share] for share in distinct], SEED)

    def text(self, source: str) -> str:
        n = self.methods.total()
        right = sum(number for (_, correct), number in self.methods.items() if correct)
        counts = [count(self.reasons[reason]) for reason in REASONS]
        sizes = sorted({size for _, size in self.samples})
        most = f"..{sizes[-1]}" if len(sizes) > 1 else ""
        measure = "accuracy" if sizes == [1] else f"avg@{sizes[0]}{most}"
        parts = [
            table(
                ["file", "n", "right", measure, "95 % interval", "unparsed", "timeouts", "stalled", "crashes"],
                [[source, count(n), count(right), percent(self.mean()), interval(*self.interval()), *counts]],
            )
        ]
        if sizes != [1]:
            parts.append(
                f"{measure}: the mean over {count(self.samples.total())} rows of the share of completions that are right; "
                "the interval is over rows, because completions of one row depend on each other"
            )
        if self.reasons["unparsed"] == n:
            parts.append(
                r"No completion has a final answer that can be read: \boxed{..}, <answer>..</answer>, #### x, "
                '"The answer is x" or "Answer: x" in nine languages, A: x; grader.markers adds others. '
                "Is this the right column?"
            )
        known = [*METHODS, *sorted({method for method, _ in self.methods} - set(METHODS))]
        rows = [(method, self.methods[method, True], self.methods[method, False]) for method in known]
        cells = [[method, count(good + bad), count(good)] for method, good, bad in rows if good + bad]
        parts.append(table(["decided by", "n", "right"], cells))
        return "\n\n".join(map(fit, parts))


@dataclass
class Audit:
    """How another grader, `name`, agrees with ours; the first 50 disagreements are kept as text."""

    name: str
    pairs: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    listed: list[str] = field(default_factory=list)

    def add(self, where: str, gold: str, ours: Graded, theirs: Verdict) -> None:
        self.pairs[ours.correct, theirs.equal] += 1
        self.reasons[_kind(theirs.reason)] += 1
        if ours.correct != theirs.equal and len(self.listed) < MAX_LISTED:
            answer = f"extracted {_short(ours.extracted)}" if ours.extracted else "nothing extracted"
            self.listed.append(
                f"  {where}: gold {_short(gold)}, {answer}; ours {_word(ours.correct, ours.reason or ours.method)}, "
                f"theirs {_word(theirs.equal, theirs.reason)}"
            )

    def text(self) -> str:
        n, agreed = self.pairs.total(), self.pairs[True, True] + self.pairs[False, False]
        pairs = [self.pairs[key] for key in ((True, True), (True, False), (False, True), (False, False))]
        failed = [self.reasons[reason] for reason in REASONS[1:]]
        header = ["audit", "agree", "%", "both right", "only ours", "only theirs", "both wrong"]
        header += ["timeouts", "stalled", "crashes"]
        cells = [self.name, count(agreed), percent(agreed / n), *map(count, [*pairs, *failed])]
        text = table(header, [cells])
        if agreed == n:
            return f"{text}\n\nNo disagreement."
        first = f", the first {MAX_LISTED}" if n - agreed > MAX_LISTED else ""
        return "\n".join([text, "", f"Disagreements: {count(n - agreed)}{first}", *map(fit, self.listed)])


def _kind(reason: str) -> str:
    return reason.partition(":")[0]


def _word(correct: bool, why: str) -> str:
    return ("right" if correct else "wrong") + (f" ({_short(why)})" if why else "")


def _short(text: str) -> str:
    """One line of printable characters, cut."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text[: 4 * MAX_SHOWN].split()))
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 1]}~"
