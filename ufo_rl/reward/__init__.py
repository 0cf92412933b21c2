"""The parts of the training reward. A part is what TRL takes as a reward function, be it ours or a user's:

    def part(prompts, completions, completion_ids, **columns) -> list[float | None]

It is called with keyword arguments, of which it may name only those that it wants: the prompts and completions (chats, see
completion_text.py) and the token ids of the completions; every column of the dataset by its name, a value per completion (id,
question, answer, solution, level, subject, and what the dataset brought besides); and TRL's `trainer_state`,
`log_extra(name, values)` and `log_metric(name, value)`. None leaves a completion out of this part. A part may be `async`.
"""
