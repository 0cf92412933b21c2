"""Intervals, correlations and measures of samples."""
