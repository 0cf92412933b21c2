"""A plan as plain data, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ufo_rl.commands.plan.job_plan import JobPlan


def recorded(plan: JobPlan) -> dict[str, Any]:
    """All numbers; bytes and hours as they are, not rounded; null for what is not known."""
    basis, memory = plan.basis, plan.memory
    return {
        "job": basis.job.words,
        "folder": str(basis.job.folder),
        "state": plan.state,
        "num_pool": basis.num_pool,
        "num_selected": basis.kept,
        "prompt_tokens": None if basis.tokens is None else asdict(basis.tokens),
        "signals": [asdict(one) for one in plan.signals],
        "training": None if plan.amounts is None else asdict(plan.amounts),
        "rollout": plan.rollout,
        "mean_completion_tokens": {"value": plan.mean[0], "source": plan.mean[1]},
        "evaluations": {"times": plan.evaluations, "completions": plan.questions, "stored": plan.stored},
        "memory": None
        if memory is None
        else {
            "peak_bytes": memory.peak,
            "phase": memory.phase,
            "gpu_bytes": plan.machine.gpu,
            "fits": plan.fits,
            "throughout": [asdict(part) for part in memory.throughout],
            "phases": {name: [asdict(part) for part in parts] for name, parts in memory.phases.items()},
            "host": [asdict(part) for part in memory.host],
        },
        "disk": [asdict(part) for part in plan.disk],
        "gpu_hours": [asdict(part) for part in plan.hours],
        "findings": [asdict(finding) for finding in plan.findings],
        "prompts": basis.rendered,
    }
