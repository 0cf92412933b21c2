"""Signal `pass_rate`."""
