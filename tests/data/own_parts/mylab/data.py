"""A dataset: `load` returns a pool; columns beside question and answer are free."""

from dataclasses import dataclass

from ufo_rl.records import Pool, Prompt, prompt_id


@dataclass
class Sums:
    num_prompts: int

    def load(self, data=None):
        questions = [f"{i}+{i % 7}=?" for i in range(self.num_prompts)]
        prompts = [
            Prompt(prompt_id(text), text, "unknown", columns={"hint": i, "note": {"odd": i % 2 == 1}})
            for i, text in enumerate(questions)
        ]
        return Pool(prompts, num_rows=len(prompts))
