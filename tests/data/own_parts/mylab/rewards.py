"""A reward: TRL's own signature, a column by its name."""


def near_hint(completions, hint, log_metric, **_):
    lengths = [len(chat[0]["content"]) for chat in completions]
    log_metric("own/mean_hint", sum(hint) / len(hint))
    return [1.0 / (1 + abs(length - wanted)) for length, wanted in zip(lengths, hint, strict=True)]
