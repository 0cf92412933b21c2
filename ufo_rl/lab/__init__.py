"""The embedded labs: tiny language models, and the script and recipes that made them."""
