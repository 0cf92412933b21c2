"""Signals: raw per-prompt measurements by a model, independent of the other prompts."""
