"""The life of an order as a table, and what the broker's reports add to it.

Before the broker knows the order, its life is a walk through `STEPS`. Once it does, its state is computed from
`Progress`: the furthest status and the largest filled quantity ever reported. `Progress.joined` is a maximum, so
reports may come twice, late, or in any order, and the state never goes backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class State(StrEnum):
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


class Step(StrEnum):
    """What can happen to an order on our side, or when the broker is first seen to have it."""

    ASK = "ask"  # a human must approve it
    INTEND = "intend"
    APPROVE = "approve"
    SUBMIT = "submit"  # about to POST
    FOUND = "found"  # the broker has it: the POST was answered, or a look-up found it
    REFUSE = "refuse"  # a definite no, from the broker, the risk gate or a human
    LOSE = "lose"  # no usable answer to the POST
    EXPIRE = "expire"  # its time is over and the broker does not have it
    GIVE_UP = "give_up"  # looked up and resent in vain


STEPS: dict[tuple[State, Step], State] = {
    (State.DECIDED, Step.ASK): State.AWAIT_APPROVAL,
    (State.DECIDED, Step.INTEND): State.INTENT,
    (State.DECIDED, Step.REFUSE): State.REFUSED,
    (State.DECIDED, Step.EXPIRE): State.EXPIRED,
    (State.DECIDED, Step.FOUND): State.ACKED,
    (State.AWAIT_APPROVAL, Step.APPROVE): State.INTENT,
    (State.AWAIT_APPROVAL, Step.REFUSE): State.REFUSED,
    (State.AWAIT_APPROVAL, Step.EXPIRE): State.EXPIRED,
    (State.INTENT, Step.SUBMIT): State.SUBMITTING,
    (State.INTENT, Step.REFUSE): State.REFUSED,
    (State.INTENT, Step.EXPIRE): State.EXPIRED,
    (State.INTENT, Step.FOUND): State.ACKED,
    (State.SUBMITTING, Step.FOUND): State.ACKED,
    (State.SUBMITTING, Step.REFUSE): State.REFUSED,
    (State.SUBMITTING, Step.LOSE): State.UNKNOWN,
    (State.UNKNOWN, Step.FOUND): State.ACKED,
    (State.UNKNOWN, Step.SUBMIT): State.SUBMITTING,
    (State.UNKNOWN, Step.EXPIRE): State.EXPIRED,
    (State.UNKNOWN, Step.GIVE_UP): State.NEEDS_HUMAN,
    (State.NEEDS_HUMAN, Step.FOUND): State.ACKED,
    (State.NEEDS_HUMAN, Step.REFUSE): State.REFUSED,
    # The broker turns out to have an order that we had written off: the broker is right.
    (State.REFUSED, Step.FOUND): State.ACKED,
    (State.EXPIRED, Step.FOUND): State.ACKED,
}

WAITING = frozenset({State.DECIDED, State.AWAIT_APPROVAL, State.INTENT})
AT_BROKER = frozenset({State.ACKED, State.PARTIAL})
IN_DOUBT = frozenset({State.SUBMITTING, State.UNKNOWN, State.NEEDS_HUMAN})
FINAL = frozenset(
    {State.REFUSED, State.FILLED, State.CANCELED, State.EXPIRED, State.REJECTED, State.REPLACED}
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
    "filled": State.FILLED,
    "canceled": State.CANCELED,
    "expired": State.EXPIRED,
    "rejected": State.REJECTED,
    "replaced": State.REPLACED,
}


class IllegalStep(ValueError):  # noqa: N818 - it is one, and says which
    """A step that the table does not know: a bug in this program, never a broker's fault."""


def after(state: State, step: Step) -> State:
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

    def state(self, quantity: Decimal) -> State:
        """Return the state of an order over `quantity`; all of it filled is FILLED whatever else was said."""
        if quantity > 0 and self.filled >= quantity:
            return State.FILLED
        if self.status in _STATE_OF_TERMINAL and self.status != "filled":
            return _STATE_OF_TERMINAL[self.status]
        if self.status == "filled":  # a notional order, or one whose quantity the broker cut
            return State.FILLED
        return State.PARTIAL if self.filled > 0 else State.ACKED


def is_known(status: str) -> bool:
    """Whether this program knows what the broker's status means."""
    return status in RANK
