"""Weights as safetensors with a JSON header that describes them; nothing is ever unpickled.

Format: https://github.com/huggingface/safetensors. Our own description sits as JSON under the
`forewalk` key of the file's metadata.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from forewalk.errors import DataError

KEY = "forewalk"


def pack(tensors: dict[str, Tensor], header: dict[str, Any]) -> bytes:
    """Serialise tensors and a JSON-able header; equal inputs give equal bytes."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    return save(contiguous, metadata={KEY: json.dumps(header, sort_keys=True)})


def unpack(data: bytes, source: str = "checkpoint") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and header; DataError where the bytes are damaged, foreign or hold NaN or infinity."""
    try:
        tensors = load(data)
        header_size = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + header_size])["__metadata__"][KEY])
    except (SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"{source}: not a Forewalk model file ({error}); train it again") from None
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise DataError(f"{source}: weight {name!r} holds NaN or infinity; train the model again")
    return tensors, header


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint file; DataError names the file where it is missing or damaged."""
    try:
        return unpack(path.read_bytes(), source=str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
