"""Models on benchmarks."""
