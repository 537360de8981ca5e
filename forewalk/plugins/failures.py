"""The boundary around the user's code: whatever it raises becomes one error that names its file and line."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from forewalk.errors import ForewalkError, LeakError, LookaheadError, PluginError
from forewalk.plugins.reads import inside
from forewalk.plugins.sources import Source, is_own_file


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
    except (Exception, SystemExit) as error:
        raise PluginError(failure(source, error)) from error


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in Python code inside that runs longer; without effect outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


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
