"""Files of one's own.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import Any, cast

from . import answers
from .transport import Group, part


class Uploads(Group):
    """Files of one's own."""

    def listed(self) -> list[answers.Upload]:
        """Return the team's files by name."""
        return cast("list[answers.Upload]", self._transport.json("GET", "/api/v1/uploads"))

    def upload(self, name: str, content: bytes) -> answers.Upload:
        """Keep a file; one of the same name stays as it is (409)."""
        return cast("answers.Upload", self._transport.upload("/api/v1/uploads", name, content))

    def check(self, name: str) -> dict[str, Any]:
        """Say what a file is understood to be, as `forewalk data check --json` does; nothing is run."""
        return cast("dict[str, Any]", self._transport.json("GET", f"/api/v1/uploads/{part(name)}/check"))

    def remove(self, name: str) -> None:
        """Remove a file; runs that were made of it keep what they found."""
        self._transport.json("DELETE", f"/api/v1/uploads/{part(name)}")
