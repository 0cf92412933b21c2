"""A signal, the parent's half: what is asked, under which key it is stored, what it means."""

from ufo_rl.launch.publish import SignalRow
from ufo_rl.signals.protocol import OneRowEach


class Digits:
    stage, unit, rank = "digits", "prompts", "mylab.digits.rank.measure"
    columns, stored = ("digits",), ("digits",)

    def identity(self, subject):
        return {"version": 1, "template": dict(subject.template), "model": subject.chat.id}

    def rows(self, subject):
        def make():
            for prompt in subject.prompts:
                text = subject.chat.render(prompt)
                yield SignalRow.of(prompt.id, text, len(text), prompt.answer)

        return OneRowEach(make, lambda found: {"digits": found["digits"].to_numpy()})
