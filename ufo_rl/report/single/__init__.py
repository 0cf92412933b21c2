"""One run by itself, or beside one other."""
