"""Configuration: types and ranges, composition, what a run's identity is."""
