"""Memory that runs out."""

from __future__ import annotations

import torch


def is_out_of_memory(error: Exception) -> bool:
    """CUDA has a class for it, the allocator of the CPU only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
