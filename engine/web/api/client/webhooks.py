"""Webhooks and what was delivered.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import cast

from . import answers, asked
from .transport import Group, part


class Webhooks(Group):
    """Webhooks and what was delivered."""

    def listed(self) -> list[answers.Webhook]:
        """Return the webhooks of the team."""
        return cast("list[answers.Webhook]", self._transport.json("GET", "/api/v1/team/webhooks"))

    def add(self, body: asked.NewWebhook) -> answers.ShownWebhook:
        """Register a webhook; its secret is shown in this answer and never again."""
        return cast("answers.ShownWebhook", self._transport.json("POST", "/api/v1/team/webhooks", body=body))

    def remove(self, webhook: str) -> None:
        """Remove a webhook and what waits for it."""
        self._transport.json("DELETE", f"/api/v1/team/webhooks/{part(webhook)}")

    def ping(self, webhook: str) -> answers.Delivery:
        """Queue an event of the type `ping`, to see whether it arrives."""
        return cast(
            "answers.Delivery", self._transport.json("POST", f"/api/v1/team/webhooks/{part(webhook)}/ping")
        )

    def deliveries(self, webhook: str, *, limit: int = 50, offset: int = 0) -> answers.PageOfDelivery:
        """Return what was and will be delivered, the newest first."""
        return cast(
            "answers.PageOfDelivery",
            self._transport.json(
                "GET",
                f"/api/v1/team/webhooks/{part(webhook)}/deliveries",
                query={"limit": limit, "offset": offset},
            ),
        )

    def again(self, webhook: str, delivery: str) -> answers.Delivery:
        """Send a delivery once more, under its own id."""
        return cast(
            "answers.Delivery",
            self._transport.json(
                "POST", f"/api/v1/team/webhooks/{part(webhook)}/deliveries/{part(delivery)}/again"
            ),
        )
