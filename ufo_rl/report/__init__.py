"""What came out: one run, the comparison of several, the ledger of all, from their folders alone.

metrics           metrics.json: its schema, and what writes it
facts             what the parts of a run report
disk              run folders read back
ledger            everything that lies in outputs/
comparing         arms side by side
single            one run by itself, or beside one other
shared_sentences  what the reports of one run and of several both say
benchmark_table   evaluation_table(summaries)
text              numbers and tables as text
"""

from ufo_rl.report.benchmark_table import evaluation_table
from ufo_rl.report.comparing.comparison import compare
from ufo_rl.report.ledger.listing import ledger_table
from ufo_rl.report.single.run_summary import summary

__all__ = ["compare", "evaluation_table", "ledger_table", "summary"]
