"""Arms side by side: paired, averaged over seeds, judged, with what they cost."""
