"""The boundary around the user's code: whatever it raises becomes one error that names its file and line."""

from __future__ import annotations

import inspect
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from forewalk.errors import ForewalkError, LeakError, LookaheadError, PluginError
from forewalk.plugins.reads import inside
from forewalk.plugins.sources import Source, is_own_file

AGAIN_S = 1.0  # between two reminders to code that took the first one and went on


@contextmanager
def own_code(source: Source) -> Iterator[None]:
    """Turn whatever the user's code raises inside into one PluginError that names its file and line.

    Our own errors keep their class, since it says how to react; they too are told at which line.

    Raises:
        PluginError: anything else was raised, `sys.exit()` included; Ctrl-C passes.
    """
    try:
        with inside(source):
            yield
    except (PluginError, LookaheadError, LeakError):
        raise
    except ForewalkError as error:
        place = user_line(error, source)
        if place:
            error.args = (f"{error} ({place})", *error.args[1:])
        raise
    except (Exception, SystemExit, OverTime) as error:
        raise PluginError(failure(source, error)) from error


class OverTime(BaseException):
    """The user's code runs longer than it may; an `except Exception` of its own does not catch this."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OverTime in Python code inside that runs longer; without effect outside of the main thread.

    Code of the user's that takes it and goes on is told again every second. A call into a library that does not come
    back is stopped when it does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told or _in_own_file(frame):
            told = True
            raise OverTime(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _in_own_file(frame: FrameType | None) -> bool:
    while frame is not None:
        if is_own_file(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False


def defined_at(source: Source, value: Any) -> str:
    """Return the file and the line at which a function or class of the user's begins."""
    code = getattr(value, "__code__", None)
    if code is not None:
        return f"{code.co_filename} line {code.co_firstlineno}"
    try:
        return f"{source.file} line {inspect.getsourcelines(value)[1]}"
    except (TypeError, OSError):
        return str(source.file)


def failure(source: Source, error: BaseException) -> str:
    """Return one sentence about an exception of the user's code: what, of which class, where."""
    place = user_line(error, source) or f"{source.file}; raised in {_last_frame(error)}"
    said = f": {error}" if str(error) and not isinstance(error, SyntaxError) else ""
    said = f": {error.msg}" if isinstance(error, SyntaxError) else said
    return f"{source} failed with {type(error).__name__}{said} ({place})"


def user_line(error: BaseException, source: Source) -> str:
    """Return the innermost line of the user's own on the way to an exception; "" where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename} line {error.lineno}: {(error.text or '').strip()}"
    own = {path for _, path in source.files}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in own or is_own_file(frame.filename):
            return f"{frame.filename} line {frame.lineno}, in {frame.name}: {frame.line}"
    return ""


def _last_frame(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename} line {frames[-1].lineno}" if frames else "an unknown place"
