"""What a receiver of webhooks checks: that the server sent it, and that it is no old one sent again."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

WINDOW_S = 300.0


def verified(
    body: bytes,
    headers: Mapping[str, str],
    secret: str,
    now_s: float | None = None,
    window_s: float = WINDOW_S,
) -> dict[str, Any]:
    """Return the event in a request to a webhook: `id`, `type`, `timestamp`, `data`.

    The same `id` may come more than once; keep those that you have done.

    Args:
        body: as it came, unread. headers: with small letters. secret: `whsec_...`, shown as the webhook was made.
        now_s: seconds since 1970, None for this machine's. window_s: how old or early it may be.

    Raises:
        ValueError: it was not signed by the secret, or is outside the window.
    """
    event, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdecimal() or abs((time.time() if now_s is None else now_s) - int(at)) > window_s:
        raise ValueError("the time of the webhook is missing, or outside the window")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("the secret is none of a webhook") from None
    made = base64.b64encode(hmac.digest(key, f"{event}.{at}.".encode() + body, "sha256")).decode()
    signed = headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(f"v1,{made}".encode(), each.encode()) for each in signed):
        raise ValueError("the signature does not fit")
    found: dict[str, Any] = json.loads(body)
    return found
