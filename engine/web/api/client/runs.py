"""Finished runs, and runs side by side.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import Any, cast

from . import answers
from .transport import Group, part, parts


class Runs(Group):
    """Finished runs, and runs side by side."""

    def listed(self, *, limit: int = 50, offset: int = 0) -> answers.RunPage:
        """Return the finished runs, the newest first."""
        return cast(
            "answers.RunPage",
            self._transport.json("GET", "/api/v1/runs", query={"limit": limit, "offset": offset}),
        )

    def one(self, run: str) -> answers.Run:
        """Return what a run depended on and found."""
        return cast("answers.Run", self._transport.json("GET", f"/api/v1/runs/{part(run)}"))

    def explanation(self, run: str) -> dict[str, Any]:
        """Return which features carry a run's forecasts; 404 until `forewalk explain` has measured it."""
        return cast("dict[str, Any]", self._transport.json("GET", f"/api/v1/runs/{part(run)}/explanation"))

    def texts(self, run: str, *, symbol: str | None = None, day: str | None = None) -> dict[str, Any]:
        """Return the texts that a bar was the first to know, at most 200, and what texts added to the run."""
        return cast(
            "dict[str, Any]",
            self._transport.json(
                "GET", f"/api/v1/runs/{part(run)}/texts", query={"symbol": symbol, "day": day}
            ),
        )

    def series(
        self, run: str, *, since: str | None = None, until: str | None = None, points: int = 1000
    ) -> answers.AccountSeries:
        """Return the account of a run bar by bar: equity, just holding, how far below the highest so far, and
        exposure.
        """
        return cast(
            "answers.AccountSeries",
            self._transport.json(
                "GET",
                f"/api/v1/runs/{part(run)}/series",
                query={"since": since, "until": until, "points": points},
            ),
        )

    def artefacts(self, run: str) -> list[answers.Artefact]:
        """Return the files of a run."""
        return cast(
            "list[answers.Artefact]", self._transport.json("GET", f"/api/v1/runs/{part(run)}/artefacts")
        )

    def artefact(self, run: str, path: str) -> bytes:
        """Return a file of a run. Pages come in a sandbox: nothing in them runs, nothing is loaded."""
        return self._transport.content(f"/api/v1/runs/{part(run)}/artefacts/{parts(path)}")

    def compare(self, run: list[str], *, accounts: bool = False) -> dict[str, Any]:
        """Say what differs between runs, and whether one forecasts or earns better by more than luck."""
        return cast(
            "dict[str, Any]",
            self._transport.json("GET", "/api/v1/compare", query={"run": run, "accounts": accounts}),
        )
