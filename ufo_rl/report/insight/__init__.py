"""What a selection is worth looking at for: who was kept, whether the signal tells the truth, what the training will
make of it."""
