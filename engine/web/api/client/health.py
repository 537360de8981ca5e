"""Whether the server answers.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import cast

from . import answers
from .transport import Group


class Health(Group):
    """Whether the server answers."""

    def health(self) -> answers.Health:
        """Say that the server answers."""
        return cast("answers.Health", self._transport.json("GET", "/api/v1/health"))
