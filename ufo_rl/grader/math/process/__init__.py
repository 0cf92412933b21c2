"""Comparisons in child processes, which end in time whatever they are asked."""
