"""When the sources of a fetched file were asked, and which bars lie too long after the last time.

A bar that closes long after a source was last asked does not know what was written meanwhile: its texts are missing,
which is not the same as none. Bars before the first fetch are told by what was collected afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from forewalk.errors import DataError
from forewalk.types import BoolArray, IntArray

GAP_US = 15 * 60 * 10**6  # between two fetches, up to which they are one span
ENDING = ".fetched"  # of the file beside a fetched file


def state_path(path: Path) -> Path:
    """Return the file that says how far each source of a fetched file got."""
    return path.with_name(path.name + ENDING)


def spans_of(path: Path) -> tuple[IntArray, ...]:
    """Return the spans in which each source was asked, microseconds UTC, [K, 2] each; () for a file of one's own.

    Raises:
        DataError: what is beside the file is damaged.
    """
    beside = state_path(path)
    if not beside.exists():
        return ()
    try:
        content = beside.read_text(encoding="utf-8")
        state = json.loads(content) if content.startswith("{") else {}  # of before there were spans
        return tuple(_spans(each) for _, each in sorted(state.get("polls", {}).items()))
    except (OSError, ValueError, TypeError, AttributeError):
        raise DataError(f"{beside}: damaged; delete it, and the next fetch counts as the first one") from None


def _spans(spans: Sequence[Sequence[str]]) -> IntArray:
    moments = [[int(datetime.fromisoformat(at).timestamp() * 1e6) for at in span] for span in spans]
    return np.array(moments, dtype=np.int64).reshape(-1, 2)


def with_poll(spans: Sequence[Sequence[str]], now: datetime) -> list[list[str]]:
    """Return the spans of a source with one more moment at which it was asked."""
    found = [list(span) for span in spans]
    if found:
        ended = datetime.fromisoformat(found[-1][1])
        if now <= ended:
            return found
        if (now - ended).total_seconds() * 1e6 <= GAP_US:
            found[-1][1] = now.isoformat()
            return found
    return [*found, [now.isoformat(), now.isoformat()]]


def in_touch(stamps: IntArray, polls: Sequence[IntArray], patience_us: int) -> BoolArray:
    """Tell which bars close before the first fetch, or at most `patience_us` after one of every source, [T]."""
    found = np.ones(len(stamps), bool)
    for spans in polls:
        if len(spans):
            last = np.searchsorted(spans[:, 0], stamps, side="right") - 1
            fresh = stamps <= spans[np.maximum(last, 0), 1] + patience_us
            found &= (last < 0) | fresh
    return found
