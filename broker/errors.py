"""What can go wrong between this program and the broker; the class says how to react.

```
BrokerError
├── Unreachable    exit 4   no answer, or "try later": ask again after `after_s`; nothing is known to have changed
│   └── RateLimited    429: the request was turned away unread
├── Refused        exit 1   a definite no to this request: record it, do not repeat it
├── OutcomeUnknown exit 1   an order was sent and no usable answer came: look it up, never assume
└── MustHalt       exit 1   keys, account or host are wrong: stop trading until a person has looked
```
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.halts import HaltCause
from forewalk.errors import EXIT_CONNECTION, ForewalkError


class BrokerError(ForewalkError):
    """Base of everything that goes wrong with a broker."""


class Unreachable(BrokerError):  # noqa: N818 - the name says the reaction
    """The broker did not answer or asked to come back later; `after_s` is how long to wait at least."""

    exit_code = EXIT_CONNECTION

    def __init__(self, message: str, after_s: float = 1.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class RateLimited(Unreachable):
    """HTTP 429: nothing was done; `after_s` is what the broker asks for."""


class Refused(BrokerError):  # noqa: N818
    """The broker said no: HTTP status, its own code and message, and the other keys of the body."""

    def __init__(self, status: int, code: int | None, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {code if code is not None else '-'}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.body = dict(body)

    @property
    def is_duplicate_id(self) -> bool:
        """Whether an order with this client_order_id exists already; code 40010001 alone means many things."""
        return self.status == 422 and "client_order_id must be unique" in self.message

    @property
    def is_suspension(self) -> bool:
        """Whether the account's own switch `suspend_trade` refused the order."""
        return self.status == 403 and "rejected by user request" in self.message

    @property
    def is_missing(self) -> bool:
        """Whether the thing asked for is not there (yet)."""
        return self.status == 404


class OutcomeUnknown(BrokerError):  # noqa: N818
    """An order went out and the answer was lost or unreadable: it may or may not exist."""


class MustHalt(BrokerError):  # noqa: N818
    """Trading must stop: the keys are refused, or the account is not the one this book belongs to."""

    def __init__(self, message: str, cause: HaltCause = HaltCause.KEYS) -> None:
        super().__init__(message)
        self.cause = cause
