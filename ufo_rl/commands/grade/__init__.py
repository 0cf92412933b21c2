"""`ufo-rl grade FILE`: verdicts on completions of other systems, and an audit of another grader.

options   the words of the command line          command   the flow from the file to the tables
rows      golds and completions of a file        tally     counts and tables
"""
