"""What torch can compute on."""

from __future__ import annotations


def gpu_name() -> str | None:
    """Return the name of the CUDA device that torch sees, None where it sees none.

    Raises:
        ImportError, OSError: torch is not there, or a library of its is not.
    """
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
