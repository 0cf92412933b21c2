"""The report as a page and its figures: one file without scripts or requests, every figure with the numbers that it shows."""
