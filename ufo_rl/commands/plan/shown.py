"""A plan as text: a block a job, and one table of several."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ufo_rl.commands.plan.findings import Finding
from ufo_rl.commands.plan.hours import Hours
from ufo_rl.commands.plan.job_plan import JobPlan
from ufo_rl.commands.plan.signal_amounts import SignalAmounts
from ufo_rl.config.identity import run_name
from ufo_rl.report.text import MAX_COLUMNS, table
from ufo_rl.training.memory.estimate import total
from ufo_rl.training.memory.layout import GIB, Held

LABEL = 12  # columns of what a line is about
MAX_PROMPT = 600  # characters


def shown(plan: JobPlan, explain: bool) -> str:
    """All that is known of a job; explain: with the formula of each part of memory and disk, and the prompts whole."""
    job = plan.basis.job
    lines = [f"{run_name(job.plain, job.overrides)}: {plan.state}"]
    for label, texts in _sections(plan, explain):
        lines += [line for i, text in enumerate(texts) for line in _beside("" if i else label, text)]
    told = [_told(finding) for finding in plan.findings] or ["nothing was found that does not fit or divide"]
    return "\n".join([*lines, *(line for text in told for line in _beside("  !" if plan.findings else "", text, 4))])


def _beside(label: str, text: str, width: int = LABEL + 2) -> list[str]:
    """The text in as many lines as it needs, behind its label."""
    first = f"  {label}" if width > 4 else label or "  "
    lines = textwrap.wrap(text, MAX_COLUMNS - width, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{first if i == 0 else '':<{width}}{line}" for i, line in enumerate(lines)]


def _sections(plan: JobPlan, explain: bool) -> Iterator[tuple[str, list[str]]]:
    basis = plan.basis
    if basis.config is None:
        return
    yield "data", [*basis.about, *_prompt_tokens(plan)]
    if plan.signals:
        yield "signals", [_signal(one) for one in plan.signals]
    if plan.amounts is not None:
        yield "training", _training(plan, explain)
    yield "rollout", [text.removeprefix("rollout ") for text in plan.rollout]
    if plan.rewards:
        yield "rewards", [plan.rewards]
    yield "evaluation", [_evaluations(plan)]
    if plan.memory is None:
        yield (
            "memory",
            [f"the sizes of {basis.config.model.path} are not known: give model.path=FOLDER with its config.json"],
        )
    else:
        yield "memory", list(_memory(plan, explain))
        yield "disk", _disk(plan, explain)
    if plan.hours:
        yield "GPU-hours", [_hours(part) for part in plan.hours]
    for number, text in enumerate(basis.rendered, start=1):
        limit = len(text) if explain else MAX_PROMPT
        yield f"prompt {number}", [text[:limit].replace("\n", "\\n") + ("..." if len(text) > limit else "")]


def _told(finding: Finding) -> str:
    cure = f"; take {' '.join(finding.cure)}" if finding.cure else ""
    return f"{finding.name}: {finding.words}{cure}"


def _prompt_tokens(plan: JobPlan) -> list[str]:
    found = plan.basis.tokens
    if found is None:
        return []
    about = "" if found.is_exact else "about "
    return [f"prompts of {about}{found.mean:.1f} tokens, the longest {found.longest} ({found.source})"]


def _signal(one: SignalAmounts) -> str:
    whole = one.missing + one.stored
    text = f"{one.name}: {one.missing:,} of {whole:,} {one.unit} to measure"
    if one.forward is not None:
        text += f", {'' if one.is_exact else 'about '}{one.forward:,} tokens forward without padding"
    if one.prefix:
        text += f" ({one.prefix:,} saved by a shared beginning)"
    if one.generated[1]:
        text += f", {one.generated[0]:,} to {one.generated[1]:,} tokens generated"
    return text + (f"; {one.about}" if one.about else "")


def _training(plan: JobPlan, explain: bool) -> list[str]:
    found, config = plan.amounts, plan.basis.config
    assert found is not None and config is not None
    mean, source = plan.mean
    if found.steps is None:
        most = f", {found.max_tokens:,} tokens" if found.max_tokens else ""
        return [
            f"{found.kept:,} kept prompts; ends with {config.train.budget_unit}={config.train.budget_amount:g}{most}"
        ]
    assert found.completions is not None and found.max_tokens is not None
    lines = [
        f"{found.kept:,} kept prompts, {found.steps:,} steps, {found.completions:,} completions in {found.sets:,} sets "
        f"of {found.per_set}",
        f"{found.completions:,} to {found.max_tokens:,} tokens generated; about {found.completions * mean:,.0f}: {mean:.0f} a "
        f"completion ({source})",
    ]
    if found.left_out and config.train.budget_unit == "epochs":
        lines.append(f"{found.left_out} kept prompts fill no set and are left out of each epoch")
    return [*lines, *(found.arithmetic if explain else ())]


def _evaluations(plan: JobPlan) -> str:
    config = plan.basis.config
    assert config is not None
    names = ", ".join(f"{name} {count:,}" for name, count in plan.questions.items())
    most = sum(count * config.eval[name].max_completion_tokens for name, count in plan.questions.items())
    stored = sum(plan.stored.values())
    most *= plan.evaluations
    told = f"{plan.evaluations} times {names}: {plan.answers:,} completions to generate, at most {most:,} tokens"
    return told + (f"; {stored:,} of the untrained model are stored" if stored else "")


def _memory(plan: JobPlan, explain: bool) -> Iterator[str]:
    found, layout, machine = plan.memory, plan.layout, plan.machine
    assert found is not None and layout is not None
    if machine.gpu is not None and machine.room is not None:
        verdict = "fits" if plan.fits else "does not fit"
        yield f"{found.peak / GIB:.1f} GiB a rank: {verdict} into {machine.room / GIB:.1f} of {machine.source}"
    else:
        yield f"{found.peak / GIB:.1f} GiB a rank above an idle one; {machine.source}"
    yield f"throughout: {_parts(found.throughout)}"
    yield f"most in {found.phase}: {_parts(found.phases[found.phase])}"
    others = [f"{name} {total(parts) / GIB:.1f}" for name, parts in found.phases.items() if name != found.phase]
    yield f"instead in {', '.join(others)}"
    if found.host:
        yield f"in the host's memory for each rank: {_parts(found.host)}"
    if explain:
        yield from (f"{part.name} {part.bytes / GIB:.2f} GiB = {part.formula}" for part in [*found.parts, *found.host])
        yield f"sizes from {layout.model.source}; longest prompt {layout.prompt} + completion {layout.completion} tokens"


def _parts(parts: Sequence[Held]) -> str:
    sums: dict[str, float] = {}
    for part in parts:
        sums[part.name] = sums.get(part.name, 0.0) + part.bytes
    return ", ".join(f"{name} {size / GIB:.1f}" for name, size in sums.items()) or "nothing"


def _disk(plan: JobPlan, explain: bool) -> list[str]:
    free = "" if plan.free is None else f" of {plan.free / GIB:.1f} free"
    lines = [f"{total(plan.disk) / GIB:.1f} GiB{free}: {_parts(plan.disk)}"]
    return [*lines, *(f"{part.name} = {part.formula}" for part in plan.disk)] if explain else lines


def _hours(part: Hours) -> str:
    return f"{part.part}: {part.source}" if part.hours is None else f"{part.part} {_amount(part.hours)} ({part.source})"


def _amount(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def together(plans: Sequence[JobPlan]) -> str:
    """One line a job. What several jobs share is measured once, by the first that needs it."""
    rows, seen = [], set[str]()
    for plan in plans:
        job, amounts = plan.basis.job, plan.amounts
        scored = []
        for one in plan.signals:
            key = f"{one.name} {one.missing} {one.forward} {job.plain['model']['path']}"
            scored.append("shared" if key in seen and one.missing else f"{one.missing:,}")
            seen.add(key)
        memory = "-" if plan.memory is None else f"{plan.memory.peak / GIB:.1f}"
        hours = "-" if plan.total_hours is None else _amount(plan.total_hours)
        rows.append(
            [
                job.words or run_name(job.plain, job.overrides),
                plan.state.split(";")[0].split(":")[0],
                "+".join(scored) or "-",
                *(
                    ("-", "-")
                    if amounts is None or amounts.steps is None
                    else (f"{amounts.steps:,}", f"{amounts.completions:,}")
                ),
                memory,
                {True: "yes", False: "no", None: "-"}[plan.fits],
                hours,
                str(len(plan.findings)),
            ]
        )
    header = ["job", "state", "to score", "steps", "completions", "GiB a rank", "fits", "GPU-hours", "findings"]
    return table(header, rows)
