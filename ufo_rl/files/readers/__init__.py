"""Readers, a format each: rows with their places, whatever is wrong with them said in plain words."""
