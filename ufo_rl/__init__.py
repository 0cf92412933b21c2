"""UFO-RL: score RL prompts in one forward pass, keep the informative ones, train, compare honestly."""

__version__ = "0.1.0"
