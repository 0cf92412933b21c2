"""Command lines as strangers type them, from a seed: sound ones, ones with one slip, and wild ones."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

# Values that are right by themselves and with each other, by key.
OPTIONS: dict[str, tuple[str, ...]] = {
    "selector": ("ufo", "random", "full", "ufo_high", "ufo_low", "band", "accuracy", "[ufo]"),
    "ratio": ("01pct", "05pct", "10pct", "20pct", "50pct", "full"),
    "model": ("tiny", "qwen2.5-0.5b", "qwen2.5-7b"),
    "dataset": ("arithmetic", "gsm8k"),
    "eval": ("arithmetic", "[arithmetic]", "[math500]", "[gsm8k,math500]", "[arithmetic, aime24]"),
    "signal": ("[confidence,pass_rate]", "[pass_rate,confidence]"),
    "deepspeed": ("off", "zero1", "zero2", "zero3"),
    "template": ("r1", "short"),
    "tracker": ("auto", "off", "offline"),
    "experiment": ("paper", "null", "[]"),
}
VALUES: dict[str, tuple[str, ...]] = {
    "seed": ("0", "1", "7", "1_000"),
    "name": ("dev", "'a-b'", '"x.y"', "run_1"),
    "force": ("true", "false"),
    "ratio.value": ("0.07", "1", "5e-1"),
    "train.max_steps": ("3", "null"),
    "train.learning_rate": ("1e-5", "0.001"),
    "train.beta": ("0", "0.04"),
    "train.trl.min_p": ("0.1", "0.2"),
    "+train.trl.top_k": ("5", "10"),
    "++train.trl.top_p": ("0.9", "1.0"),
    "template.user": ('"{question}, now"', "'{question}=?'", '"say \\"{question}\\""'),
    "tracker.tags": ("[a,b]", "[]", "[a]"),
    "paths.outputs": ("out", '"/tmp/a b"', "${name}"),
    "train": ("{beta:0.1}", "{max_steps:null}"),
    "contamination": ("{ngram:5}", "{ngram:9,remove:true}"),
    "+deepspeed.config.steps_per_print": ("1", "auto"),
    "hydra.sweep.subdir": ("${hydra.job.num}", "${hydra.job.override_dirname}", "x/${run_id:}"),
    "hydra.run.dir": ("outputs/${now:%Y}", "r/${run_id:}"),
}
SWEEPS = (
    "selector=glob(ufo*)",
    "selector=glob(*,exclude=[a*,b*])",
    "seed=range(0,3)",
    "seed=range(2)",
    "seed=range(6,0,-2)",
    "seed=sort(3,1,2)",
    "seed=sort(range(0,3),reverse=true)",
    "selector=choice(ufo,random)",
    "ratio.value=range(0.1,0.5,0.1)",
    "ratio.value=0.1,0.25",
    "train.learning_rate=choice(1e-5,1e-4)",
    "name=\"a\",'b'",
)
SLIPS = (
    "selector=glob(zz*)",
    "selector=[]",
    "selector=null",
    "selector=",
    "selector=ufo,ufo",
    "selector=[ufo,random]",
    "selector=[[ufo]]",
    "selector=Ufo",
    "selector=7",
    "selector={a:1}",
    "selector@other=ufo",
    "+selector=ufo",
    "++selector=ufo",
    "~selector",
    "~signal",
    "~seed",
    "eval=[]",
    "eval=null",
    "eval=[null]",
    "eval=[math500,math500]",
    "eval=[math50]",
    "ratio=0.1",
    "ratio.value=2",
    "ratio.value=interval(0,1)",
    "ratio.value=",
    "seed=range(0,0)",
    "seed=range(5,1)",
    "seed=range(0,5,0)",
    "seed=range(0,1e9)",
    "seed=choice()",
    "seed=0,0",
    "seed=glob(*)",
    "seed=one",
    "seed=1.5",
    "seed=",
    "seed",
    "seed==1",
    "seed = 1",
    "seed=-1",
    "seed=${nothing}",
    "seed=${seed}",
    "seed=[0,1]",
    "seed={a:1}",
    "+seed=1",
    "sed=1",
    "train.lrr=1",
    "train..beta=1",
    "train.beta=[",
    "train.trl.nothing=1",
    "contamination={gram:3}",
    "name='a b'",
    "name=../up",
    "name=é",
    "name=",
    "name=~",
    "mädchen=1",
    "model=tiny;ls",
    "model=tiny ratio=10pct",
    "--seed=1",
    "hydra.job.chdir=true",
    "hydra.sweeper.max_batch_size=0",
    "hydra/launcher=ray",
    "hydra/sweeper=optuna",
    "hydra.nothing=1",
    "hydra.run.dir='~/x'",
    "hydra.sweep.dir='~/x'",
    "hydra.job.num=1,2",
    "experiment=papr",
    "paths.outputs=",
    "reward.parts={x:{weight:1}}",
    "reward.parts.x.weight=1",
)
PIECES = (
    *("range", "glob", "null"),
    *("=", ",", "[", "]", "{", "}", "(", ")", "'", '"', "~", "+", "$", ":", "\\", " ", ".", "é", "0"),
)


@dataclass(frozen=True)
class Line:
    """`slip` is the word that is wrong, "" for none; None where nobody knows whether one is."""

    words: list[str]
    slip: str | None


def lines(seed: int, count: int) -> list[Line]:
    """As many lines, a third of each kind."""
    random = Random(seed)
    makers = (sound, slipped, wild)
    return [makers[number % 3](random) for number in range(count)]


def sound(random: Random) -> Line:
    words = _words(random)
    return Line(words, "")


def slipped(random: Random) -> Line:
    """A sound line with one slip, under `-m` where only a sweep has it."""
    slip = random.choice(SLIPS)
    words = [word for word in _words(random) if word.split("=")[0].strip("+~") != slip.split("=")[0].strip("+~ ")]
    if slip.startswith("hydra.run.dir"):  # a sweep has another
        words = [word for word in words if word.split("=")[0] not in ("-m", "--multirun") and word not in SWEEPS]
        words = [word for word in words if not _is_swept(word)]
    if "-m" not in words and any(mark in slip for mark in ("interval", "max_batch", "sweep.dir", "num=")):
        words.append("-m")
    words.insert(random.randint(0, len(words)), slip)
    return Line(words, slip)


def _is_swept(word: str) -> bool:
    key, _, values = word.partition("=")
    return "," in values and values not in (OPTIONS | VALUES).get(key, ())


def wild(random: Random) -> Line:
    """A sound line with a character or so too many, too few or elsewhere."""
    words = _words(random)
    place = random.randrange(len(words))
    word = words[place]
    for _ in range(random.randint(1, 2)):
        at = random.randint(0, len(word))
        word = word[:at] + random.choice(PIECES) + word[at + random.randint(0, 2) :]
    words[place] = word
    return Line(words, None)


def _words(random: Random) -> list[str]:
    # few groups a line: what each choice of options reads from files is read once for all lines
    keys = [*random.sample([*OPTIONS], random.choice((0, 1, 1, 1, 2))), *random.sample([*VALUES], random.randint(1, 3))]
    is_sweep = random.random() < 0.6
    words = [_word(random, key, is_sweep) for key in keys]
    if is_sweep:
        words = [*words, *random.sample(SWEEPS, random.randint(0, 1))]
        words.insert(random.randint(0, len(words)), random.choice(("-m", "--multirun")))
    if "dataset" in keys and "model" not in keys:
        words.append("model=tiny")  # the default model is for the lab's letters alone
    if "model" in keys and "dataset" not in keys:
        words.append("dataset=arithmetic")  # and the letters for it
    random.shuffle(words)
    return words


def _word(random: Random, key: str, is_sweep: bool) -> str:
    values = (OPTIONS | VALUES)[key]
    many = is_sweep and not key.startswith("hydra.") and random.random() < 0.4
    chosen = random.sample(values, min(len(values), random.randint(2, 3)) if many else 1)
    if "null" in chosen and "[]" in chosen:  # both are none of the presets
        chosen.remove("null")
    return f"{key}={','.join(chosen)}"
