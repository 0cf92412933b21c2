"""Everything that lies in outputs/: what, how far, at what cost, and who needs it."""
