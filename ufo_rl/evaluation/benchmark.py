"""Stage 4, `evaluate`: completions of a benchmark's questions, graded; a declared denominator, an interval, one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ufo_rl.config.build import takes
from ufo_rl.config.contract import built
from ufo_rl.config.schema import Benchmark, Seam
from ufo_rl.errors import UserError
from ufo_rl.records import Graded, Pool, Prompt, Reference
from ufo_rl.stats.intervals import wilson
from ufo_rl.stats.samples import by_label, group_answers, sampled

GradeAll = Callable[[Sequence[Reference], Sequence[str]], Sequence[Graded]]
GradedRow = dict[str, Any]
SHOWN_REPEATS = 3  # rows that ask a question again, in a message
# Why an answer counts as wrong without a comparison: how the grader's reason begins, and the name of its count.
REASONS = {"unparsed": "unparsed", "timeout": "timeouts", "stalled": "stalled", "crash": "crashes"}


def questions(name: str, benchmark: Benchmark, pool: Pool) -> list[Prompt]:
    """The benchmark's questions by id. Its size is the denominator of every accuracy: declared, never counted; a set of
    another size is refused."""
    found, repeated = len(pool.prompts), _repeated(pool)
    if benchmark.size is None:
        raise UserError(
            f"eval.{name}.size=null: declare how many questions the benchmark has, the denominator of its accuracy; "
            f"{found} were found{repeated}, so if the file is complete: eval.{name}.size={found}"
        )
    if found != benchmark.size:
        cure = f"remove such rows and set eval.{name}.size={found}" if repeated else "take the complete file"
        raise UserError(
            f"eval.{name}: {found} questions found, the benchmark has {benchmark.size} (eval.{name}.size){repeated}; {cure}"
        )
    return sorted(pool.prompts, key=lambda p: p.id)[: benchmark.limit]


def _repeated(pool: Pool) -> str:
    """Which rows of the file ask a question again, "" if none does."""
    if not pool.drops:
        return ""
    first = dict(zip((prompt.id for prompt in pool.prompts), pool.places, strict=False))
    told = [
        f"{drop.where} asks the question of {first.get(again, again)} again"
        + (" with another answer" if drop.reason != "duplicate" else "")
        for drop in pool.drops[:SHOWN_REPEATS]
        for again in [drop.detail.partition(":")[0]]
    ]
    more = f" and {len(pool.drops) - len(told)} more" if len(pool.drops) > len(told) else ""
    return f" in {pool.num_rows} rows: {', '.join(told)}{more}"


def open_grader(name: str, benchmark: Benchmark, of_run: Seam, plugins: Sequence[str]) -> Any:
    """Who grades the benchmark: its own grader or else the run's, with the benchmark's `relative_tolerance`, which a
    grader must know by that name. UserError for every mistake."""
    node, key = benchmark.grader or of_run, f"eval.{name}.grader" if benchmark.grader else "grader"
    tolerance = benchmark.relative_tolerance
    if tolerance is None:
        return built(node, key, plugins, "grader")
    if not takes(node, key, plugins, "relative_tolerance"):
        raise UserError(
            f"eval.{name}.relative_tolerance={tolerance}: {node['_target_']} has no tolerance; give its __init__ an "
            f"argument relative_tolerance, or leave eval.{name}.relative_tolerance=null"
        )
    try:
        return built({**node, "relative_tolerance": tolerance}, key, plugins, "grader")
    except UserError as error:
        own = f"eval.{name}.relative_tolerance"
        raise UserError(*(p.replace(f"{key}.relative_tolerance", own, 1) for p in error.problems)) from error


def judge(
    asked: Iterable[tuple[Prompt, str]],
    completions: Iterable[dict[str, Any]],
    grade_all: GradeAll,
    begun: str = "",
) -> Iterator[GradedRow]:
    """The rows of a benchmark: one for every completion that was asked for, graded.

    asked: prompts and rendered texts, once for each of their samples. completions: what the model said, in the same
    order (sample, completion, generated_tokens, finish). begun: what the prompts begin of the answer; it is graded in front
    of each completion. ValueError where one is missing.
    """
    pairs = list(zip(asked, completions, strict=True))
    texts = [begun + said["completion"] for _, said in pairs]
    verdicts = grade_all([prompt.reference for (prompt, _), _ in pairs], texts)
    for ((prompt, text), said), verdict in zip(pairs, verdicts, strict=True):
        yield {
            "id": prompt.id,
            "sample": said["sample"],
            "level": prompt.level,
            "subject": prompt.subject,
            "question": prompt.question,
            "prompt": text,
            "gold": prompt.answer,
            "completion": said["completion"],
            "extracted": verdict.extracted,
            "correct": verdict.correct,
            "method": verdict.method,
            "reason": verdict.reason,
            "num_tokens": said["generated_tokens"],
            "finish": said["finish"],
        }


def summarise(
    name: str,
    benchmark: Benchmark,
    num_questions: int,
    rows: Sequence[GradedRow],
    same: Callable[[str, str], bool],
    normal_form: Callable[[str], str] = str.strip,
) -> dict[str, Any]:
    """Accuracy over exactly `num_questions` with its 95 % interval; truncated and unparsed count as wrong.

    rows: `judge`'s columns but the texts, ordered by question and sample. Greedy or one sample: pass@1 with the Wilson
    interval. Several samples: avg@k, pass@k and maj@k with intervals over the questions (`stats.samples.sampled`); for the
    vote, answers of one `normal_form` are equal and `same` is asked about the others. ValueError where rows are missing.
    """
    num_samples = benchmark.num_samples
    if len(rows) != num_questions * num_samples:
        raise ValueError(f"{name}: {len(rows)} answers for {num_questions} questions x {num_samples} samples")
    correct_NK = np.array([row["correct"] for row in rows], dtype=bool).reshape(num_questions, num_samples)
    if num_samples == 1:
        num_correct = int(correct_NK.sum())
        low, high = wilson(num_correct, num_questions)
        found = {"num_correct": num_correct, "accuracy": num_correct / num_questions, "ci_low": low, "ci_high": high}
    else:
        votes = [_labels(rows[i : i + num_samples], same, normal_form) for i in range(0, len(rows), num_samples)]
        found = sampled(correct_NK, votes)
        mean = f"avg_at_{num_samples}"
        found |= {"accuracy": found[mean], "ci_low": found[f"{mean}_ci_low"], "ci_high": found[f"{mean}_ci_high"]}
    first = rows[::num_samples]
    counts = {word: sum(row["reason"].startswith(reason) for row in rows) for reason, word in REASONS.items()} | {
        "truncated": sum(row["finish"] == "length" for row in rows)
    }
    tokens = sum(row["num_tokens"] for row in rows)
    return {
        "benchmark": name,
        "n": num_questions,
        "is_subset": num_questions != benchmark.size,
        "num_samples": num_samples,
        **found,
        **counts,
        **{f"{word}_share": count / len(rows) for word, count in counts.items()},
        "mean_tokens": tokens / len(rows),
        "generated_tokens": tokens,
        "by_level": by_label([row["level"] for row in first], correct_NK),
        "by_subject": by_label([row["subject"] for row in first], correct_NK),
    }


def _labels(
    rows: Sequence[GradedRow], same: Callable[[str, str], bool], normal_form: Callable[[str], str]
) -> list[str]:
    """What each sample of a question votes for: right ones for the gold, the others for what they say."""
    wrong = iter(group_answers([row["extracted"] for row in rows if not row["correct"]], same, normal_form))
    return [row["gold"] if row["correct"] else next(wrong) for row in rows]
