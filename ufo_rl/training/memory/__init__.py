"""What a training holds in memory and on disk, part by part, from its configuration and the sizes of the model alone.

Formulas are of what DeepSpeed 0.19, TRL 1.16 and transformers 5 keep; bench/README.md has them beside what ranks were measured
to hold. Sources: ZeRO (arXiv 1910.02054, section 3), activations (arXiv 2205.05198, section 4).
"""
