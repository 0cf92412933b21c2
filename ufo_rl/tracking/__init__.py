"""Weights & Biases as a sink; the only room that imports wandb."""
