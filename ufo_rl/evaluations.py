"""The evaluations of a run: the untrained model, shared by all runs, and the trained policy."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ufo_rl.artifacts import locked, manifest, publish, write_json
from ufo_rl.evaluation import summarise
from ufo_rl.keys import digest
from ufo_rl.reward.answer import VERSION as GRADER_VERSION

if TYPE_CHECKING:
    from ufo_rl.pipeline import Pipeline

log = logging.getLogger(__name__)


class Evaluations:
    """What a run measures on its benchmarks, each evaluation published once."""

    def __init__(self, run: Pipeline) -> None:
        self.run = run

    def base(self, name: str) -> dict[str, Any]:
        """The untrained model on a benchmark, evaluated once for all runs, in the cache."""
        identity = self.identity(name)
        folder = self.run.cache / "evaluations" / f"{name}-{digest(identity)}"
        with locked(folder.parent / f"{folder.name}.lock", f"the base evaluation on {name}"):
            found = manifest(folder)
            self.run.keys.add(("base_eval", digest(identity)))
            if found is None:
                found = self.evaluate(name, "base_eval", self.run.model_folder, folder, identity)
            else:
                log.info("%s before training: %s (stored)", name, _accuracy(found))
        write_json(
            self.run.folder / "base_eval" / f"{name}.json",
            {"cache": str(folder.relative_to(self.run.config.paths.outputs)), **found},
        )
        self.run.record("base_eval", benchmark=name, step=0, **_numbers(found))
        return found

    def final(self, name: str) -> dict[str, Any]:
        """The trained policy on a benchmark."""
        folder, trained = self.run.folder / "eval" / name, manifest(self.run.folder / "train") or {}
        identity = {**self.identity(name), "model": trained["key"]}
        self.run.keys.add(("eval", digest(identity)))
        found = manifest(folder)
        if found is None or found["identity"] != identity:
            policy = self.run.folder / "train" / "policy"
            found = self.evaluate(name, "eval", policy, folder, identity)
        else:
            log.info("%s after training: %s (done before)", name, _accuracy(found))
        self.run.record("eval", benchmark=name, step=trained["steps"], **_numbers(found))
        self.run.tracker.questions(name, folder / "questions.parquet")
        return found

    def identity(self, name: str) -> dict[str, Any]:
        benchmark = self.run.plain["eval"][name]
        prompts = self.run.prepared.benchmarks[name]
        return {
            "model": self.run.model_id,
            "dtype": self.run.config.model.dtype,
            "template": self.run.plain["template"],
            "max_completion_tokens": benchmark["max_completion_tokens"],
            "engine": self.run.config.engine.name,
            "grader": [GRADER_VERSION, self.run.plain["reward"]["grader"]],
            "questions": digest([[p.id, p.answer] for p in prompts]),
        }

    def evaluate(self, name: str, stage: str, model: Path, folder: Path, identity: dict[str, Any]) -> dict[str, Any]:
        """Answer all questions by the model in `model` and publish `folder`."""
        benchmark, prompts = self.run.config.eval[name], self.run.prepared.benchmarks[name]
        rows = [
            {"prompt": asdict(p), "text": self.run.render(p)} for p in sorted(prompts, key=lambda p: len(p.question))
        ]
        with publish(folder) as (temporary, content):
            self.run.spool(stage, rows)
            results = self.run.stage(
                stage,
                "evaluation",
                digest(identity),
                model=str(model),
                max_completion_tokens=benchmark.max_completion_tokens,
            )
            table = pa.concat_tables([pq.read_table(r["part"]) for r in results], promote_options="permissive").sort_by(
                "id"
            )
            pq.write_table(table, temporary / "questions.parquet")
            content |= {
                **summarise(name, table.to_pylist(), len(prompts), benchmark.limit),
                "identity": identity,
                "seconds": max(r["seconds"] for r in results),
            }
        log.info("%s %s training: %s", name, "before" if stage == "base_eval" else "after", _accuracy(content))
        return content


def _accuracy(found: dict[str, Any]) -> str:
    return (
        f"{found['num_correct']} of {found['n']} right = {100 * found['accuracy']:.1f} % "
        f"[{100 * found['ci_low']:.1f}, {100 * found['ci_high']:.1f}]{' (subset)' if found['is_subset'] else ''}"
    )


def _numbers(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}
