"""Files that are whole or absent, their keys, and rows of every format."""
