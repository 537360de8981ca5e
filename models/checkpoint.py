"""Weights as safetensors with a JSON header that describes them (`models.header`); nothing is ever unpickled."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from forewalk.errors import DataError
from models.header import KEY, opened


def pack(tensors: dict[str, Tensor], header: dict[str, Any]) -> bytes:
    """Serialise tensors and a JSON-able header; equal inputs give equal bytes."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    return save(contiguous, metadata={KEY: json.dumps(header, sort_keys=True)})


def unpack(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and header; DataError where the bytes are damaged, foreign or hold NaN or infinity."""
    with tempfile.TemporaryDirectory(prefix="forewalk-") as folder:  # safetensors reads headers of files only
        path = Path(folder) / "part.safetensors"
        path.write_bytes(data)
        return read_file(path, source="checkpoint")


def read_file(path: Path, source: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint file; DataError names it (or `source`) where it is missing, damaged or not finite."""
    with opened(path, "pt", source) as (file, header):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise DataError(f"{source or path}: weight {name!r} holds NaN or infinity; train the model again")
    return tensors, header
