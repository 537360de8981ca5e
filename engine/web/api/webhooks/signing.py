"""Signatures as https://www.standardwebhooks.com defines them, so that every language has a library that checks them.

A webhook's secret is made of the server's own and its id, and is stored nowhere: who reads the database has none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

PREFIX = "whsec_"


class Signer:
    """Signs with secrets that are made of the one in a file, which is made where it is missing."""

    def __init__(self, file: Path) -> None:
        self._own = _read_or_make(file)

    def __repr__(self) -> str:
        return "Signer()"

    def secret(self, webhook: str) -> str:
        """Return the secret of a webhook, as its receiver needs it."""
        return PREFIX + base64.b64encode(self._key(webhook)).decode()

    def headers(self, webhook: str, event: str, at_s: int, body: bytes) -> dict[str, str]:
        """Return the headers of a delivery: its id, when it is sent (seconds since 1970), and the signature."""
        signed = f"{event}.{at_s}.".encode() + body
        made = base64.b64encode(hmac.digest(self._key(webhook), signed, "sha256")).decode()
        return {"webhook-id": event, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{made}"}

    def _key(self, webhook: str) -> bytes:
        return hmac.digest(self._own, webhook.encode(), hashlib.sha256)


def _read_or_make(file: Path) -> bytes:
    """Return the bytes of a file that only its owner reads; two servers that make it at once get the same."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    if not file.exists():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as made:
            made.write(secrets.token_bytes(32))
            made.flush()
            os.fsync(made.fileno())
        try:
            os.link(temporary, file)  # not over one that is there
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return file.read_bytes()
