"""Why something may not trade, as a type: what is done about a halt, and how one gets out of it, follows from it."""

from __future__ import annotations

from enum import StrEnum

EVERYTHING = "*"  # scope of a halt that stops all symbols


class HaltCause(StrEnum):
    """What made a halt. One cause is one halt of its scope, however often it is met."""

    OPERATOR = "operator"  # a person said so
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    ACCOUNT = "account"  # blocked, suspended by somebody else, or of a strange status
    OTHER_ACCOUNT = "other_account"  # the keys belong to an account that is not this book's
    KEYS = "keys"  # the broker refuses them, or they would have gone to another host
    CLOCK = "clock"  # this machine's clock is off, or the broker's went back
    POSITION = "position"  # ledger and position differ
    EXECUTIONS = "executions"  # executions are missing from the broker's list
    ORDER = (
        "order"  # an order at the broker is not the one we meant, or has a name of ours and is unknown here
    )
    LOST_ORDER = "lost_order"  # sent twice, found never
    STATUS = "status"  # the broker reports a status that this program does not know
    CORPORATE_ACTION = "corporate_action"
    STRATEGY = "strategy"  # the code of a strategy, feature or model failed
    UNKNOWN = "unknown"  # written by an older version


LOSSES = frozenset({HaltCause.DAILY_LOSS, HaltCause.DRAWDOWN})
