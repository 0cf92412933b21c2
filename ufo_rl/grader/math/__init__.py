"""The grader of mathematics."""
