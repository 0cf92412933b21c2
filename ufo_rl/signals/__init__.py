"""Signals: what a model says of each prompt, measured once, stored for all runs, independent of the other prompts."""
