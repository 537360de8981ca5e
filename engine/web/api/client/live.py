"""The paper book and its models.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import Any, cast

from . import answers, asked
from .transport import Group, part


class Live(Group):
    """The paper book and its models."""

    def status(self) -> answers.LiveStatus:
        """Return what the book holds, what it waits for and what is halted."""
        return cast("answers.LiveStatus", self._transport.json("GET", "/api/v1/live"))

    def drift(self) -> answers.LiveDrift:
        """Return what the watches said after the last session, and where the account is in its backtest's band."""
        return cast("answers.LiveDrift", self._transport.json("GET", "/api/v1/live/drift"))

    def orders(self, *, everything: bool = False) -> list[answers.Order]:
        """Return the orders that are not finished, or all."""
        return cast(
            "list[answers.Order]",
            self._transport.json("GET", "/api/v1/live/orders", query={"all": everything}),
        )

    def approve(self, order_id: str, body: asked.Approval) -> answers.Order:
        """Let an order go out, if it is still the one that was shown; the daemon sends it."""
        return cast(
            "answers.Order",
            self._transport.json("POST", f"/api/v1/live/orders/{part(order_id)}/approve", body=body),
        )

    def reject(self, order_id: str) -> answers.Order:
        """Say no to an order that waits."""
        return cast(
            "answers.Order", self._transport.json("POST", f"/api/v1/live/orders/{part(order_id)}/reject")
        )

    def halt(self, body: asked.Halt) -> answers.Said:
        """Stop a symbol or everything until `resume`: open orders are cancelled, positions closed if asked."""
        return cast("answers.Said", self._transport.json("POST", "/api/v1/live/halt", body=body))

    def resume(self, body: asked.Resume) -> answers.Said:
        """Lift a halt after a look at the account; one that would begin again is not lifted, and it is said why."""
        return cast("answers.Said", self._transport.json("POST", "/api/v1/live/resume", body=body))

    def practice(self) -> answers.Practice:
        """Return what the team's practice book is at: the daemon on a simulator, over past days."""
        return cast("answers.Practice", self._transport.json("GET", "/api/v1/live/practice"))

    def begin_practice(self, body: asked.OfRun | asked.Settings) -> answers.Practice:
        """Begin to practise with the models of a run, or with one trained by settings ({}: a small one of the
        sample).
        """
        return cast("answers.Practice", self._transport.json("POST", "/api/v1/live/practice", body=body))

    def next_day(self) -> answers.Practice:
        """Let the next day come; orders that nobody approved are left."""
        return cast("answers.Practice", self._transport.json("POST", "/api/v1/live/practice/next"))

    def end_practice(self) -> answers.Practice:
        """End it; the book can still be read."""
        return cast("answers.Practice", self._transport.json("POST", "/api/v1/live/practice/end"))

    def models(self) -> list[dict[str, Any]]:
        """Return the models of the book, the oldest first, with lineage and age."""
        return cast("list[dict[str, Any]]", self._transport.json("GET", "/api/v1/models"))
