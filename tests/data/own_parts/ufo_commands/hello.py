"""A command: USAGE says how it is used, run(arguments) does it."""

import sys

from mylab import GREETING

USAGE = "ufo-rl hello NAME   a command of one's own"


def run(arguments):
    sys.stdout.write(f"{GREETING} {' '.join(arguments)}\n")
    return 0
