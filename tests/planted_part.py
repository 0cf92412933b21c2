"""A reward that breaks for the seeds that failing.txt names, and takes the seconds of seconds.txt, where that is there: of a
package of the user's, `mylab/planted.py`."""

PART = '''"""A reward that breaks for the seeds that failing.txt names, and may take its time."""

import time
from pathlib import Path


class Planted:
    def __init__(self, seed):
        self.seed = seed

    def __call__(self, completions, **columns):
        if str(self.seed) in Path("failing.txt").read_text().split():
            raise RuntimeError(f"planted for seed {self.seed}")
        if Path("seconds.txt").is_file():
            time.sleep(float(Path("seconds.txt").read_text()))
        return [0.0] * len(completions)
'''
