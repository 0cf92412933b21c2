"""What came out: the summary of one run and the comparison of several, from their folders alone.

metrics       metrics.json: its schema, and what writes it         facts       what the parts of a run report
schema_1      the step from an earlier schema                      reader      finds and reads run folders
outcome       one run folder as a record                           pairing     pairs arms with their full run
signatures    the three failure signatures                         remarks     sentences that both reports share
glance        summary(folder)                                      side_by_side  compare(paths)
scoreboard    evaluation_table(summaries)                          text        numbers and tables as text
"""

from ufo_rl.report.glance import summary
from ufo_rl.report.scoreboard import evaluation_table
from ufo_rl.report.side_by_side import compare

__all__ = ["compare", "evaluation_table", "summary"]
