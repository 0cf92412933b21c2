"""The commands of `ufo-rl`, a file or folder each."""
