"""A model that nobody loads: its sizes, and its tokenizer for counting alone."""
