"""Signal `confidence`."""
