"""One run: claimed, its stages in order, written down."""
