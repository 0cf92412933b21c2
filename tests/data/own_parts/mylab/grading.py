"""A grader: right is what holds a digit, and it reads a column."""

from ufo_rl.records import Graded


class Digits:
    version = "digits-1"
    columns = ("hint",)

    def __init__(self, at_least):
        self.at_least = at_least

    def problem_of(self, reference):
        return "" if reference.answer else "it is empty"

    def grade_all(self, references, completions):
        assert all("hint" in reference.columns for reference in references)
        return [self._grade(completion) for completion in completions]

    def _grade(self, completion):
        digits = "".join(filter(str.isdigit, completion))
        return Graded(len(digits) >= self.at_least, digits, "digits", "" if digits else "unparsed: no digit")

    def same(self, one, other):
        return one == other

    def normal_form(self, answer):
        return answer

    def close(self):
        pass
