"""The embedded lab: a tiny language model and the script that made it."""
