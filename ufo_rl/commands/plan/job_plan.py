"""The plan of one job: all that can be known of it before it runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ufo_rl.commands.plan import hours
from ufo_rl.commands.plan.amounts import Amounts, on_the_way, training_amounts
from ufo_rl.commands.plan.basis import Basis, read
from ufo_rl.commands.plan.before import DONE, Earlier, measured_by, state_of, stored_completions
from ufo_rl.commands.plan.cures import disk_finding, memory_findings
from ufo_rl.commands.plan.findings import Finding, findings
from ufo_rl.commands.plan.hours import Hours, Speed
from ufo_rl.commands.plan.machine import Machine, machine_of
from ufo_rl.commands.plan.options import PlanOptions
from ufo_rl.commands.plan.rollouts import rollout_told
from ufo_rl.commands.plan.signal_amounts import SignalAmounts, signal_amounts
from ufo_rl.commands.plan.tried_rewards import try_rewards
from ufo_rl.config.compose import Job
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError
from ufo_rl.experiment.surroundings import check_machine
from ufo_rl.training.memory.estimate import Estimate, disk, estimate
from ufo_rl.training.memory.layout import GIB, Held, Layout

UNKNOWN_LONGEST = 512  # tokens of the longest prompt where nothing tells: the paper's limit


@dataclass
class JobPlan:
    """mean: tokens of a completion, and where that is from. answers: completions that evaluations lack, and at most all."""

    basis: Basis
    machine: Machine
    state: str
    amounts: Amounts | None = None
    signals: list[SignalAmounts] = field(default_factory=list)
    layout: Layout | None = None
    memory: Estimate | None = None
    disk: list[Held] = field(default_factory=list)
    free: float | None = None
    mean: tuple[float, str] = (0.0, "")
    questions: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    evaluations: int = 2
    earlier: Earlier | None = None
    hours: list[Hours] = field(default_factory=list)
    rewards: str = ""
    rollout: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.state.startswith(DONE)

    @property
    def answers(self) -> int:
        """Completions of all evaluations that have to be generated."""
        return sum(self.evaluations * count - self.stored.get(name, 0) for name, count in self.questions.items())

    @property
    def fits(self) -> bool | None:
        """None where nobody knows."""
        if self.memory is None or self.machine.room is None:
            return None
        return self.memory.peak <= self.machine.room

    @property
    def total_hours(self) -> float | None:
        known = [part.hours for part in self.hours]
        return None if not known or None in known else sum(part for part in known if part is not None)


def plan_job(job: Job, options: PlanOptions) -> JobPlan:
    """Reads what is here; no weights, no network, no torch."""
    basis = read(job, options.prompts)
    config = basis.config
    if config is None:
        machine = Machine(False, None, None, True, "")
        return JobPlan(basis, machine, "refused", findings=[Finding("refused", problem) for problem in basis.problems])
    machine = machine_of(config.launch, options.gpu, options.gpu_memory)
    is_elsewhere = options.gpu is not None or options.gpu_memory is not None
    found = JobPlan(basis, machine, state_of(job.folder))
    if basis.kept is not None:
        found.amounts = training_amounts(config.train, basis.kept, config.launch.num_ranks)
    found.signals = signal_amounts(basis)
    found.layout = _layout(basis, config, machine)
    found.memory = None if found.layout is None else estimate(found.layout, machine.gpu)
    found.disk = [] if found.layout is None else disk(found.layout)
    found.free = options.free_disk * GIB if options.free_disk is not None else _free(Path(config.paths.outputs))
    _look_at_evaluations(found, config)
    found.earlier = measured_by(basis)
    found.mean = _mean(found, config, options)
    found.hours = [] if found.is_done else _hours(found, config, options)
    found.rollout = rollout_told(found.layout, config.rollout, machine, is_elsewhere and job.is_rollout_found)
    found.rewards, problems = try_rewards(basis)
    found.findings = [*_findings(found, config, options), *(Finding("rewards", problem) for problem in problems)]
    return found


def _layout(basis: Basis, config: Config, machine: Machine) -> Layout | None:
    """With the longest prompt that there is, or that may be."""
    if basis.model is None:
        return None
    known = basis.tokens.longest if basis.tokens is not None else UNKNOWN_LONGEST
    limit = config.train.max_prompt_tokens
    longest = known if limit is None else min(known, limit) if basis.tokens and basis.tokens.is_exact else limit
    return Layout(
        basis.model,
        config.train,
        config.deepspeed.config,
        config.rollout,
        config.launch.num_ranks,
        longest,
        config.train.max_completion_tokens,
        machine.is_cuda,
    )


def _look_at_evaluations(found: JobPlan, config: Config) -> None:
    for name, benchmark in config.eval.items():
        size = benchmark.limit if benchmark.limit is not None else benchmark.size
        found.questions[name] = (size or 0) * benchmark.num_samples
    found.stored = stored_completions(found.basis)
    found.evaluations = 2 + on_the_way(config.train, found.amounts.steps if found.amounts else None)


def _mean(found: JobPlan, config: Config, options: PlanOptions) -> tuple[float, str]:
    longest = config.train.max_completion_tokens
    if options.mean_tokens is not None:
        if options.mean_tokens > longest:
            raise UserError(
                f"plan --mean-tokens {options.mean_tokens:g}: more than train.max_completion_tokens={longest}, "
                "which no completion of training exceeds"
            )
        return options.mean_tokens, "--mean-tokens"
    if found.earlier is not None and found.earlier.mean is not None:
        return found.earlier.mean, f"measured by {found.earlier.folder.name}"
    return longest / 2, "half of train.max_completion_tokens, for want of a measurement; give --mean-tokens N"


def _hours(found: JobPlan, config: Config, options: PlanOptions) -> list[Hours]:
    is_elsewhere = options.gpu is not None or options.gpu_memory is not None
    measured = None if is_elsewhere else found.earlier  # speeds of this machine are none of another's
    speed = Speed(options.tokens_per_second, options.utilization, found.machine, measured)
    model, parts = found.basis.model, list[Hours]()
    for signal in found.signals:
        if signal.forward:
            parts.append(hours.scoring(speed, model, signal.forward))
        if signal.generated[1]:
            samples = min(signal.missing * found.mean[0], signal.generated[1])
            parts.append(hours.generating(f"{signal.name}: samples", speed, samples))
    ranks = config.launch.num_ranks
    each = hours.operations(config.train, config.rollout, ranks)
    if (limited := hours.limited(config.train, ranks)) is not None:
        parts.append(limited)
    elif found.amounts is not None and found.amounts.completions is not None and found.basis.tokens is not None:
        completions = found.amounts.completions
        prompts, written = completions * found.basis.tokens.mean, completions * found.mean[0]
        parts += hours.training(speed, model, prompts, written, each)
    elif found.amounts is not None and found.amounts.max_tokens is not None:
        parts += hours.training(speed, model, 0.0, found.amounts.max_tokens, each)
    parts.append(hours.generating("evaluations", speed, _answered(found, config)))
    return parts


def _answered(found: JobPlan, config: Config) -> float:
    """Tokens that evaluations generate: as many a completion as in training, or a benchmark's limit."""
    lacking = {name: found.evaluations * count - found.stored.get(name, 0) for name, count in found.questions.items()}
    return sum(n * min(found.mean[0], config.eval[name].max_completion_tokens) for name, n in lacking.items())


def _findings(found: JobPlan, config: Config, options: PlanOptions) -> list[Finding]:
    own = list(findings(config, found.layout, found.amounts, found.machine))
    if found.layout is not None and found.memory is not None:
        own += memory_findings(found.layout, found.memory, found.machine)
    if found.free is not None and found.layout is not None:
        lack = disk_finding(config, found.layout, found.free)
        own += [] if lack is None else [lack]
    told = {finding.name for finding in own}
    refused = [
        Finding("refused", problem)
        for problem in found.basis.problems
        if not ("kept prompts" in told and problem.startswith("ratio.value=") and "of one training step" in problem)
    ]
    here = (
        []
        if options.gpu or options.gpu_memory or not found.basis.job.is_here
        else _of_this_machine(found.basis.job.plain)
    )
    return [*refused, *own, *here]


def _of_this_machine(plain: Mapping[str, object]) -> list[Finding]:
    try:
        check_machine(plain, trains=True)
    except UserError as error:
        return [Finding("this machine", problem) for problem in error.problems]
    return []


def _free(folder: Path) -> float:
    """Bytes, of the disk that a folder lies on or will lie on."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
    return float(shutil.disk_usage(there).free)
