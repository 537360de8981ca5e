"""Write clean bars as one Parquet file that is read back without telling anything from it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from forewalk.data.loading import load_bars
from forewalk.data.quality import QualityReport
from forewalk.data.sources.memory import bars_table, write_table
from forewalk.errors import DataError, UsageError
from forewalk.settings.sections import DataSettings
from forewalk.types import Bars


def convert(settings: DataSettings, out: Path) -> tuple[Bars, QualityReport]:
    """Load, clean and write what `settings` name; `out` appears whole or not at all.

    Raises:
        UsageError: `out` exists already.
        DataError: the data cannot be used, or the file cannot be written.
    """
    if out.exists():
        raise UsageError(f"{out} exists already; choose another name, or remove it")
    bars, report = load_bars(settings.model_copy(update={"min_history_bars": 1}))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=out.parent, prefix=".tmp-", suffix=".parquet")
        os.close(handle)
        try:
            write_table(bars_table(bars), Path(unfinished))
            Path(unfinished).replace(out)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}") from None
    return bars, report
