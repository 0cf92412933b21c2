"""Run folders read back: found, opened, how far they have come."""
