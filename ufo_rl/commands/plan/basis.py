"""What of a job can be read before it runs: its configuration, data, prompts as the model will see them, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ufo_rl.commands.plan.tokens import PromptTokens, counted, facts_of, guessed
from ufo_rl.config.compose import Job
from ufo_rl.config.load import examine
from ufo_rl.config.schema import Config
from ufo_rl.dataset.hub import HubDataset
from ufo_rl.errors import Problems, UserError
from ufo_rl.experiment.data import whole_benchmarks
from ufo_rl.experiment.pool import overlap
from ufo_rl.experiment.prepare import Prepared, prepare
from ufo_rl.files.keys import digest
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.unloaded.architecture import Architecture, architecture_of
from ufo_rl.model.unloaded.without_torch import counting_chat
from ufo_rl.records import Pool, Prompt
from ufo_rl.selector.cut import num_kept

SHOWN = 3  # prompts
HUB = f"{HubDataset.__module__}.{HubDataset.__qualname__}"


@dataclass
class Basis:
    """One job. config, prepared: None where they cannot be read. pool: the prompts that are left, None where they are not here;
    num_pool: how many, None where nobody knows; about: what is to be said of that."""

    job: Job
    problems: list[str]
    config: Config | None = None
    prepared: Prepared | None = None
    chat: ChatModel | None = None
    model: Architecture | None = None
    pool: list[Prompt] | None = None
    num_pool: int | None = None
    about: list[str] = field(default_factory=list)
    tokens: PromptTokens | None = None
    rendered: list[str] = field(default_factory=list)

    @property
    def kept(self) -> int | None:
        """How many prompts are trained on."""
        if self.num_pool is None or self.prepared is None or self.config is None:
            return None
        keeps_all = getattr(self.prepared.selector, "keeps_all", False)
        return self.num_pool if keeps_all else num_kept(self.config.ratio.value, self.num_pool)

    @property
    def cache(self) -> Path:
        assert self.config is not None
        return Path(self.config.paths.outputs) / "cache"


_known: dict[str, tuple[list[Prompt], list[str], PromptTokens | None, list[str]]] = {}  # jobs share pools


def read(job: Job, num_prompts: int | None) -> Basis:
    """num_prompts: of the pool, where its data are not here."""
    problems = Problems()
    problems.attempt(job.check_model)
    config, found, wrong = examine(job.plain)
    problems.add(*found)
    basis = Basis(job, problems.found)
    if wrong:
        return basis
    basis.config = config
    away = _not_here(config)
    basis.prepared = problems.attempt(prepare, config, away, False)
    if basis.prepared is None:  # as far as it goes
        basis.prepared = Problems().attempt(prepare, config, {*away, "train", "refresh", "reward", "eval"}, False)
    basis.chat = problems.attempt(counting_chat, config.model, config.template, basis.cache / "fingerprints.json")
    basis.model = problems.attempt(architecture_of, config.model)
    if basis.prepared is not None:
        problems.attempt(_read_pool, basis, config, "dataset" in away, num_prompts)
    return basis


def _not_here(config: Config) -> set[str]:
    """Groups whose data would have to be downloaded."""
    if config.data is not None:
        return set()
    evaluated = [benchmark.dataset for benchmark in config.eval.values()]
    drawn = [benchmark.drawn_shots.dataset for benchmark in config.eval.values() if benchmark.drawn_shots]
    return {
        *(["dataset"] if config.dataset["_target_"] == HUB else []),
        *(["eval"] if any(node["_target_"] == HUB for node in (*evaluated, *drawn)) else []),
    }


def _read_pool(basis: Basis, config: Config, is_away: bool, num_prompts: int | None) -> None:
    assert basis.prepared is not None
    if is_away or not basis.prepared.pool.prompts:
        facts = facts_of(config.dataset)
        basis.num_pool = num_prompts or (facts or {}).get("prompts")
        where = config.dataset.get("path", config.dataset.get("name", "the dataset"))
        if num_prompts:
            basis.about.append(f"{num_prompts:,} prompts, as --prompts says; {where} is not here")
        elif facts:
            basis.about.append(f"{facts['prompts']:,} prompts: as shipped of {where}; set UFO_RL_DATA to count them")
        else:
            basis.about.append(f"how many prompts {where} has is not known here: give --prompts N, or set UFO_RL_DATA")
        basis.tokens = guessed(config, config.template, None, config.dataset)
        basis.rendered = [_messages(config, "(a question of the dataset, which is not here)")]
        return
    basis.pool, about, basis.tokens, basis.rendered = _pool_of(basis, config, basis.prepared.pool)
    basis.num_pool = len(basis.pool)
    basis.about += about
    if num_prompts is not None:
        basis.about.append(f"--prompts {num_prompts} is not used: the data are here")


def _pool_of(
    basis: Basis, config: Config, pool: Pool
) -> tuple[list[Prompt], list[str], PromptTokens | None, list[str]]:
    """What is left of a pool, what to say of it, its tokens, and the first prompts as the model sees them."""
    plain: Mapping[str, Any] = basis.job.plain
    nodes = [plain[name] for name in ("model", "template", "dataset", "contamination", "plugins", "grader")]
    asked = {name: one["dataset"] for name, one in plain["eval"].items()} if config.contamination.remove else {}
    key = digest([nodes, asked, config.train.max_prompt_tokens, plain["paths"]["data"]])
    if key in _known:
        return _known[key]
    prompts, about = pool.prompts, [f"{len(pool.prompts):,} prompts of {pool.num_rows:,} rows"]
    if config.contamination.remove:
        prompts, removed = _without_questions(config, prompts)
        about.append(f"{removed:,} hold a question of a benchmark and leave")
    limit = config.train.max_prompt_tokens
    if basis.chat is not None and prompts:
        tokens = counted(basis.chat, prompts)
        if limit is not None and tokens.longest > limit:
            lengths = basis.chat.num_tokens(prompts)
            prompts = [prompt for prompt, length in zip(prompts, lengths, strict=True) if length <= limit]
            about.append(f"{len(lengths) - len(prompts):,} are longer than train.max_prompt_tokens={limit} and leave")
            if not prompts:
                raise UserError(f"train.max_prompt_tokens={limit} leaves no prompt; raise it to {min(lengths)} or more")
            tokens = counted(basis.chat, prompts)
        rendered = [basis.chat.render(prompt) for prompt in prompts[:SHOWN]]
    else:
        tokens = guessed(config, config.template, prompts, config.dataset)
        if limit is not None and tokens.longest > limit:
            about.append(f"some may be longer than train.max_prompt_tokens={limit} and leave")
            tokens = replace(tokens, longest=limit)
        rendered = [_messages(config, prompt.question) for prompt in prompts[:SHOWN]]
    _known[key] = prompts, about, tokens, rendered
    return _known[key]


def _without_questions(config: Config, prompts: Sequence[Prompt]) -> tuple[list[Prompt], int]:
    settings = config.contamination
    found = overlap(prompts, whole_benchmarks(config), settings.ngram, settings.threshold)
    hits = set[str]().union(*(one.hit_prompts for one in found.values()))
    return [prompt for prompt in prompts if prompt.id not in hits], len(hits)


def _messages(config: Config, question: str) -> str:
    """What the model's chat template, which is not here, will be given."""
    template = config.template
    shots = [line for shot in template.few_shot for line in (f"[user] {shot.question}", f"[assistant] {shot.response}")]
    system = [f"[system] {template.system}"] if template.system else []
    return "\n".join([*system, *shots, f"[user] {template.user.replace('{question}', question)}"])
