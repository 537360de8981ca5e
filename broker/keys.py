"""Keys from the environment, and everything that keeps them out of sight."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from forewalk.errors import ConfigError

NAMES = {
    "key id": ("APCA_API_KEY_ID", "ALPACA_API_KEY"),
    "secret key": ("APCA_API_SECRET_KEY", "ALPACA_SECRET_KEY"),
}
LIVE_PREFIX = "AK"  # of live key ids; paper ones begin with PK
HIDDEN = "***"
_secrets: set[str] = set()


@dataclass(frozen=True, repr=False)
class Keys:
    """A key id and its secret; neither shows in a repr, an error or a log."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Keys({HIDDEN})"


SIMULATOR = Keys("SIMULATOR-KEY", "simulator-not-a-secret")


def read_keys(environment: Mapping[str, str], local: bool = False) -> Keys:
    """Return the keys, under either of the names in use.

    A `local` simulator gets keys of its own where there are none, and where there are real ones, which it refuses.

    Raises:
        ConfigError: one is missing or empty, the two names of one disagree, they are swapped or a live account's.
    """
    if local and environment_id(environment)[:2] in ("", "PK", LIVE_PREFIX):
        return SIMULATOR
    key_id, secret = (_read(what, names, environment) for what, names in NAMES.items())
    register_secret(key_id)
    register_secret(secret)
    if key_id.startswith(LIVE_PREFIX):
        raise ConfigError(
            "the key id is one of a live account (it begins with AK); make keys of the paper account"
        )
    if secret.startswith(("PK", "AK")) and len(secret) < len(key_id):
        raise ConfigError("key id and secret key look swapped; exchange them")
    return Keys(key_id, secret)


def environment_id(environment: Mapping[str, str]) -> str:
    """Return the key id that is set, "" where none is."""
    return next((text for name in NAMES["key id"] if (text := environment.get(name, "").strip())), "")


def _read(what: str, names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    found = {name: environment[name].strip() for name in names if environment.get(name, "").strip()}
    if not found:
        raise ConfigError(f"no {what}: set {' or '.join(names)} in the environment (paper account)")
    if len(set(found.values())) > 1:
        raise ConfigError(f"{' and '.join(found)} are both set and differ; unset one of them")
    value = next(iter(found.values()))
    if not value.isascii() or any(character.isspace() for character in value):
        raise ConfigError(f"the {what} in {next(iter(found))} holds blanks or strange characters")
    return value


def register_secret(value: str) -> None:
    """Hide `value` in every text that passes `redacted` from now on."""
    if len(value) >= 4:
        _secrets.add(value)


def redacted(text: str) -> str:
    """Return `text` with every registered secret replaced."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    return text


class RedactingFormatter(logging.Formatter):
    """Wraps another formatter and hides the secrets in what it made, tracebacks included."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Format and redact one record."""
        return redacted(self._inner.format(record))


def hide_in_tracebacks() -> None:
    """Let an uncaught exception print its traceback without the secrets, and cap chatty libraries."""
    for name in ("websockets", "urllib3", "asyncio", "requests"):  # at DEBUG they print headers and frames
        logging.getLogger(name).setLevel(logging.INFO)

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            raise SystemExit(130)
        sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))

    def show_of_thread(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None:
            show(what.exc_type, what.exc_value, what.exc_traceback)

    sys.excepthook = show
    threading.excepthook = show_of_thread


def forbid_core_dumps() -> None:
    """Leave no memory image behind: it would hold the keys."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
