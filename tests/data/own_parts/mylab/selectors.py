"""A selector: one number a prompt, the smallest kept first. It also tells a fact."""

from ufo_rl.records import Fact


class FewDigits:
    signals = ("digits",)
    keeps_all = False
    columns = ("digits", "hint", "question")

    def sort_key(self, columns):
        assert columns["question"][0].endswith("=?") and columns["note"][0]["odd"] in (True, False)
        assert (columns["tokens"] > 0).all()
        return columns["digits"] + columns["hint"] / 1000

    def facts(self, view):
        kept = [d for i, d in zip(view.columns["id"], view.columns["digits"], strict=True) if i in view.kept]
        mean = sum(kept) / len(kept)
        return [Fact("kept_digits", float(mean), column="digits kept", text=f"{mean:.2f} digits in a kept prompt")]
