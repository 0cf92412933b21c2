"""GRPO by TRL under DeepSpeed."""
