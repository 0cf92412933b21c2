"""Weights & Biases as a sink."""
