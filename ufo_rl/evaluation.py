"""Stage 4, `evaluate`: greedy pass@1 of a model on a benchmark, one row per question, a declared denominator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ufo_rl.config import Benchmark
from ufo_rl.engine import Engine, Sampling
from ufo_rl.intervals import wilson
from ufo_rl.records import Graded, Pool, Prompt, UserError

Grade = Callable[[str, str], Graded]


def questions(name: str, benchmark: Benchmark, pool: Pool) -> list[Prompt]:
    """The benchmark's questions by id; a set of another size than declared is refused."""
    if len(pool.prompts) != benchmark.size:
        raise UserError(
            f"eval.{name}: {len(pool.prompts)} questions found, the benchmark has {benchmark.size} "
            f"(eval.{name}.size); take the complete file"
        )
    return sorted(pool.prompts, key=lambda p: p.id)[: benchmark.limit]


def evaluate(
    prompts: Sequence[Prompt],
    texts: Sequence[str],
    engine: Engine,
    grade: Grade,
    max_tokens: int,
    progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """One greedy completion per question, graded. `texts` are the rendered prompts. Every question gets a row."""
    rows = []
    for i, completion in engine.generate(texts, Sampling(0.0, max_tokens), [0] * len(texts)):
        prompt, verdict = prompts[i], grade(prompts[i].answer, completion.text)
        rows.append(
            {
                "id": prompt.id,
                "question": prompt.question,
                "gold": prompt.answer,
                "completion": completion.text,
                "extracted": verdict.extracted,
                "correct": verdict.correct,
                "method": verdict.method,
                "reason": verdict.reason,
                "num_tokens": len(completion.ids),
                "finish": completion.finish,
                "level": prompt.level,
                "subject": prompt.subject,
            }
        )
        progress(len(rows), len(prompts))
    return rows


def summarise(name: str, rows: Sequence[dict[str, Any]], num_questions: int, limit: int | None) -> dict[str, Any]:
    """Accuracy over exactly `num_questions` with its 95 % Wilson interval; truncated and unparsed count as wrong."""
    if len(rows) != num_questions:
        raise ValueError(f"{name}: {len(rows)} rows for {num_questions} questions")
    num_correct = sum(row["correct"] for row in rows)
    low, high = wilson(num_correct, num_questions)
    return {
        "benchmark": name,
        "n": num_questions,
        "is_subset": limit is not None,
        "num_correct": num_correct,
        "accuracy": num_correct / num_questions,
        "ci_low": low,
        "ci_high": high,
        "unparsed": sum(row["method"] == "none" for row in rows),
        "truncated": sum(row["finish"] == "length" for row in rows),
        "timeouts": sum(row["reason"].startswith("timeout") for row in rows),
        "mean_tokens": sum(row["num_tokens"] for row in rows) / num_questions,
        "generated_tokens": sum(row["num_tokens"] for row in rows),
    }
