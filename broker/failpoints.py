"""Named points at which a test can end this process: `FAILPOINT=after_intent_commit:kill9`.

`:kill9` ends it as a power cut would, `:exit` by SystemExit. `FAILPOINT=name:kill9:3` waits for the third
time the point is reached. Without the variable nothing happens; a misspelt name is refused at start.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from forewalk.errors import ConfigError

POINTS = (
    "before_decision_commit",
    "after_decision_commit",
    "after_intent_commit",
    "before_post",
    "after_post",
    "after_ack_commit",
    "before_fill_commit",
    "after_fill_commit",
    "before_cancel",
    "after_cancel",
    "after_halt_commit",
    "after_broker_cancel_all",
    "during_migration",
    "during_reconcile",
    "before_lookup",
    "after_lookup",
    "before_model_rename",
    "before_suspend",
    "after_suspend",
    "before_resume_commit",
    "after_resume_commit",
    "after_approve_commit",
    "during_rebuild",
    "after_cut_commit",
)
_reached: Counter[str] = Counter()
_told: list[Callable[[str], None]] = []


@contextmanager
def told(callback: Callable[[str], None]) -> Iterator[None]:
    """Call `callback(name)` at every point that this process reaches; what it raises ends the work."""
    _told.append(callback)
    try:
        yield
    finally:
        _told.remove(callback)


def reach(name: str) -> None:
    """End the process here if FAILPOINT says so."""
    for callback in _told:
        callback(name)
    wanted = os.environ.get("FAILPOINT")
    if not wanted:
        return
    point, action, count = _parse(wanted)
    if name != point:
        return
    _reached[name] += 1
    if _reached[name] != count:
        return
    if action == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit(f"failpoint {name}")


def check_failpoint() -> None:
    """Raise ConfigError for a FAILPOINT that names no point or no action."""
    if wanted := os.environ.get("FAILPOINT"):
        _parse(wanted)


def _parse(text: str) -> tuple[str, str, int]:
    point, _, rest = text.partition(":")
    action, _, count = rest.partition(":")
    if point not in POINTS or action not in ("kill9", "exit") or not (count or "1").isdigit():
        raise ConfigError(f"FAILPOINT={text!r}: write NAME:kill9[:COUNT]; names: {', '.join(POINTS)}")
    return point, action, int(count or 1)
