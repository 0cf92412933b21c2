"""What came out: the summary of one run and the comparison of several, from their folders alone.

metrics           metrics.json: its schema, and what writes it
schema_1          the step from an earlier schema
facts             what the parts of a run report
run_folders       finds and reads run folders
run_record        one run folder as a record
pairing           pairs arms with their full run
signatures        the three failure signatures, with evidence and cures
warnings          which of them a comparison tells, by run and by arm
shared_sentences  what the reports of one run and of several both say
run_summary       summary(folder)
comparison        compare(paths)
benchmark_table   evaluation_table(summaries)
text              numbers and tables as text
"""

from ufo_rl.report.benchmark_table import evaluation_table
from ufo_rl.report.comparison import compare
from ufo_rl.report.run_summary import summary

__all__ = ["compare", "evaluation_table", "summary"]
