"""The grader of mathematics; it needs nothing of this package but `records`.

    from ufo_rl.grader.math import MathGrader, math_reward

answer.py: `MathGrader`; trl_reward.py: `math_reward`; equivalence.py and nearly_equal.py: whether two answers are the same.
Folders, each knows those before it: text/ formula/ words/ shapes/ and, above equivalence, process/.
"""

from ufo_rl.grader.math.answer import MathGrader
from ufo_rl.grader.math.trl_reward import math_reward

__all__ = ["MathGrader", "math_reward"]
