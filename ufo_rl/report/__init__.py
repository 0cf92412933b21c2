"""What came out: the summary of one run and the comparison of several, from their folders alone.

runs        reads run folders into records             comparison   pairs arms with their full run
signatures  the three failure signatures               text         tables and numbers as text
one_run     summary(folder)                            many_runs    compare(paths)
evaluation  evaluation_table(summaries)
"""

from ufo_rl.report.evaluation import evaluation_table
from ufo_rl.report.many_runs import compare
from ufo_rl.report.one_run import summary

__all__ = ["compare", "evaluation_table", "summary"]
