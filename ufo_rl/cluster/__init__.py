"""Runs as jobs of SLURM, by submitit; the only room that imports it."""
