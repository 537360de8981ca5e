"""The description that every model file carries; it is read without torch and without the weights.

Format: https://github.com/huggingface/safetensors. Our own description sits as JSON under the
`forewalk` key of the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from forewalk.errors import DataError

KEY = "forewalk"


def read_header(path: Path) -> dict[str, Any]:
    """Return the description in a model file; DataError names the file where there is none."""
    with opened(path, "numpy") as (_, header):
        return header


@contextmanager
def opened(path: Path, framework: str, source: str = "") -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open a model file for its tensors in `framework` and its description.

    Raises:
        DataError: the file (called `source` where that is given) is missing, damaged or foreign.
    """
    name = source or str(path)
    try:
        with safe_open(path, framework=framework) as file:
            yield file, json.loads((file.metadata() or {})[KEY])
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from None
    except (SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"{name}: not a Forewalk model file ({error}); train it again") from None
