"""The life of an order as a table, and what the broker's reports add to it.

Before the broker knows the order, its life is a walk through `STEPS`. Once it does, its state is computed from
`Progress`: the furthest status and the largest filled quantity ever reported. `Progress.joined` is a maximum, so
reports may come twice, late, or in any order, and the state never goes backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class OrderState(StrEnum):
    """Where an order is in its life."""

    DECIDED = "decided"
    AWAIT_APPROVAL = "await_approval"
    INTENT = "intent"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    NEEDS_HUMAN = "needs_human"
    REFUSED = "refused"
    ACKED = "acked"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"


class OrderStep(StrEnum):
    """What can happen to an order on our side, or when the broker is first seen to have it."""

    ASK = "ask"  # a human must approve it
    INTEND = "intend"
    APPROVE = "approve"
    SUBMIT = "submit"  # about to POST
    FOUND = "found"  # the broker has it: the POST was answered, or a look-up found it
    REFUSE = "refuse"  # a definite no, from the broker, the risk gate or a human
    LOSE = "lose"  # no usable answer to the POST
    EXPIRE = "expire"  # its time is over and the broker does not have it
    GIVE_UP = "give_up"  # looked up and resent in vain, or found to be another order


STEPS: dict[tuple[OrderState, OrderStep], OrderState] = {
    (OrderState.DECIDED, OrderStep.ASK): OrderState.AWAIT_APPROVAL,
    (OrderState.DECIDED, OrderStep.INTEND): OrderState.INTENT,
    (OrderState.DECIDED, OrderStep.REFUSE): OrderState.REFUSED,
    (OrderState.DECIDED, OrderStep.EXPIRE): OrderState.EXPIRED,
    (OrderState.DECIDED, OrderStep.FOUND): OrderState.ACKED,
    (OrderState.AWAIT_APPROVAL, OrderStep.APPROVE): OrderState.INTENT,
    (OrderState.AWAIT_APPROVAL, OrderStep.REFUSE): OrderState.REFUSED,
    (OrderState.AWAIT_APPROVAL, OrderStep.EXPIRE): OrderState.EXPIRED,
    (OrderState.INTENT, OrderStep.SUBMIT): OrderState.SUBMITTING,
    (OrderState.INTENT, OrderStep.REFUSE): OrderState.REFUSED,
    (OrderState.INTENT, OrderStep.EXPIRE): OrderState.EXPIRED,
    (OrderState.INTENT, OrderStep.FOUND): OrderState.ACKED,
    (OrderState.SUBMITTING, OrderStep.FOUND): OrderState.ACKED,
    (OrderState.SUBMITTING, OrderStep.REFUSE): OrderState.REFUSED,
    (OrderState.SUBMITTING, OrderStep.LOSE): OrderState.UNKNOWN,
    (OrderState.SUBMITTING, OrderStep.GIVE_UP): OrderState.NEEDS_HUMAN,
    (OrderState.UNKNOWN, OrderStep.FOUND): OrderState.ACKED,
    (OrderState.UNKNOWN, OrderStep.SUBMIT): OrderState.SUBMITTING,
    (OrderState.UNKNOWN, OrderStep.EXPIRE): OrderState.EXPIRED,
    (OrderState.UNKNOWN, OrderStep.GIVE_UP): OrderState.NEEDS_HUMAN,
    (OrderState.NEEDS_HUMAN, OrderStep.FOUND): OrderState.ACKED,
    (OrderState.NEEDS_HUMAN, OrderStep.REFUSE): OrderState.REFUSED,
    # The broker turns out to have an order that we had written off: the broker is right.
    (OrderState.REFUSED, OrderStep.FOUND): OrderState.ACKED,
    (OrderState.EXPIRED, OrderStep.FOUND): OrderState.ACKED,
}

WAITING = frozenset({OrderState.DECIDED, OrderState.AWAIT_APPROVAL, OrderState.INTENT})
AT_BROKER = frozenset({OrderState.ACKED, OrderState.PARTIAL})
IN_DOUBT = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.NEEDS_HUMAN})
FINAL = frozenset(
    {
        OrderState.REFUSED,
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.REPLACED,
    }
)

# Alpaca's statuses by how far they are. Equal ranks say the same to us.
_OPEN = (
    "accepted",
    "pending_new",
    "accepted_for_bidding",
    "pending_review",
    "held",
    "new",
    "partially_filled",
    "pending_cancel",
    "pending_replace",
    "stopped",
    "suspended",
    "calculated",
    "done_for_day",
)
_TERMINAL = ("replaced", "expired", "canceled", "rejected", "filled")
RANK: dict[str, int] = dict.fromkeys(_OPEN, 1) | {status: 2 + place for place, status in enumerate(_TERMINAL)}
_STATE_OF_TERMINAL = {
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
    "replaced": OrderState.REPLACED,
}


class IllegalStep(ValueError):  # noqa: N818 - it is one, and says which
    """A step that the table does not know: a bug in this program, never a broker's fault."""


def after(state: OrderState, step: OrderStep) -> OrderState:
    """Return the state that follows; IllegalStep where the table has none."""
    try:
        return STEPS[state, step]
    except KeyError:
        raise IllegalStep(f"an order that is {state} cannot {step}") from None


@dataclass(frozen=True)
class Progress:
    """How far the broker has reported an order: furthest known status, largest cumulative quantity.

    `status` is "" before the first report. A status that Alpaca has added since is not known to be far or
    near: it leaves the rank alone, and `is_known` is False for it.
    """

    status: str = ""
    filled: Decimal = Decimal(0)

    def joined(self, other: Progress) -> Progress:
        """Return what both reports say together; associative, commutative, idempotent."""
        further = max((self.status, other.status), key=lambda status: (RANK.get(status, 0), status))
        return Progress(further, max(self.filled, other.filled))

    def state(self, quantity: Decimal) -> OrderState:
        """Return the state of an order over `quantity`; all of it filled is FILLED whatever else was said."""
        if quantity > 0 and self.filled >= quantity:
            return OrderState.FILLED
        if self.status in _STATE_OF_TERMINAL and self.status != "filled":
            return _STATE_OF_TERMINAL[self.status]
        if self.status == "filled":  # a notional order, or one whose quantity the broker cut
            return OrderState.FILLED
        return OrderState.PARTIAL if self.filled > 0 else OrderState.ACKED


def is_known(status: str) -> bool:
    """Whether this program knows what the broker's status means."""
    return status in RANK
