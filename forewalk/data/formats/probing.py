"""Read a file of a stranger first in a process of its own that may use little memory: a bomb goes off there.

A columnar file or a spreadsheet of a few kilobytes may stand for terabytes, and whatever it says of its size may be a
lie: one cell in the last row and column of a sheet, one long text that a dictionary repeats a million times. So
nothing it says is believed: it is read once within limits of the operating system, which `limits` sets.

This file is also that process: `python -I probing.py KIND MOST`, the content on its standard input.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

BASE_BYTES = 512 * 2**20  # of an interpreter with the libraries
TIMES = 3  # bytes that may be used at a time for each one that comes out
SECONDS = 60
CELL_BYTES = 64  # of a cell of a spreadsheet as a value
COLUMNAR, SPREADSHEET = "columnar", "spreadsheet"
QUIET = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def unpacked_bytes(content: bytes, kind: str, most: int) -> int:
    """Return about how many bytes a file becomes in memory; more than `most` where it does not get done within it.

    Args:
        kind: COLUMNAR or SPREADSHEET. most: bytes; the process may use `TIMES` as many, and what it takes to begin.

    A file that is damaged gives 0: who reads it says what is wrong with it.
    """
    command = [sys.executable, "-I", __file__, kind, str(most)]
    environment = {**{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}, **QUIET}
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=2 * SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return most + 1
    try:
        return int(json.loads(done.stdout)["bytes"])
    except (ValueError, KeyError):
        return most + 1  # it was killed, or had no memory left to say so


def limits(most: int) -> None:
    """Let this process use so many bytes and seconds, and leave no core behind."""
    import resource

    data = BASE_BYTES + TIMES * most
    for what, value in (
        (resource.RLIMIT_DATA, data),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value))


def columnar_bytes(content: bytes) -> int:
    """Return the bytes of the table of a Parquet or Feather file, each text as often as it stands there."""
    from pyarrow import feather, parquet

    if content[:4] == b"PAR1":
        table = parquet.ParquetFile(io.BytesIO(content)).read(use_threads=False)
    else:
        table = feather.read_table(io.BytesIO(content), use_threads=False)
    return int(table.nbytes) + sum(_repeated(chunk) for column in table.columns for chunk in column.chunks)


def _repeated(chunk: Any) -> int:
    """Return the bytes that a column becomes whose texts are kept once each; 0 for any other."""
    import pyarrow as pa
    from pyarrow import compute

    if not isinstance(chunk, pa.DictionaryArray):
        return 0
    sizes = compute.binary_length(chunk.dictionary.cast(pa.large_string()))
    return int(compute.sum(compute.take(sizes, chunk.indices)).as_py() or 0)


def spreadsheet_bytes(content: bytes) -> int:
    """Return about the bytes of all cells of a spreadsheet, the empty ones before the last one, too."""
    import python_calamine

    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    return sum(
        CELL_BYTES * len(row) for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python()
    )


def main(kind: str, most: int) -> None:
    """Say how many bytes the content of standard input becomes."""
    content = sys.stdin.buffer.read()
    limits(most)
    try:
        found = (columnar_bytes if kind == COLUMNAR else spreadsheet_bytes)(content)
    except ModuleNotFoundError:  # who reads it in earnest says what to install
        found = 0
    except (MemoryError, ImportError):  # ArrowMemoryError is one; so is a library that finds no room to load
        found = most + 1
    except Exception:  # noqa: BLE001 - whatever is wrong with it, who reads it in earnest says it
        found = 0
    print(json.dumps({"bytes": found}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
