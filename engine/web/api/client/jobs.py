"""Jobs.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast

from . import answers, asked
from .transport import Group, part


class Jobs(Group):
    """Jobs."""

    def forecast(
        self, body: asked.OfRun | asked.Settings, *, idempotency_key: str | None = None
    ) -> answers.Job:
        """Queue the next forecast, of a run's newest model or of one trained now; it is logged before its outcome."""
        return cast(
            "answers.Job",
            self._transport.json(
                "POST", "/api/v1/forecasts", body=body, headers={"Idempotency-Key": idempotency_key}
            ),
        )

    def backtest(self, body: asked.Settings, *, idempotency_key: str | None = None) -> answers.Job:
        """Queue a backtest; follow it at Location."""
        return cast(
            "answers.Job",
            self._transport.json(
                "POST", "/api/v1/backtests", body=body, headers={"Idempotency-Key": idempotency_key}
            ),
        )

    def sweep(self, run: str, body: asked.SweepOf, *, idempotency_key: str | None = None) -> answers.Job:
        """Queue a sweep over policy settings of a run; every one is counted as a try."""
        return cast(
            "answers.Job",
            self._transport.json(
                "POST",
                f"/api/v1/runs/{part(run)}/sweeps",
                body=body,
                headers={"Idempotency-Key": idempotency_key},
            ),
        )

    def audit(self, run: str, *, idempotency_key: str | None = None) -> answers.Job:
        """Queue the leak certificate of a run."""
        return cast(
            "answers.Job",
            self._transport.json(
                "POST", f"/api/v1/runs/{part(run)}/audits", headers={"Idempotency-Key": idempotency_key}
            ),
        )

    def reproduce(self, run: str, *, idempotency_key: str | None = None) -> answers.Job:
        """Queue a rerun of a run that says whether anything differs."""
        return cast(
            "answers.Job",
            self._transport.json(
                "POST",
                f"/api/v1/runs/{part(run)}/reproductions",
                headers={"Idempotency-Key": idempotency_key},
            ),
        )

    def listed(
        self,
        *,
        state: list[Literal["queued", "running", "succeeded", "failed", "cancelled"]] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> answers.PageOfJob:
        """Return the team's jobs, the newest first."""
        return cast(
            "answers.PageOfJob",
            self._transport.json(
                "GET", "/api/v1/jobs", query={"state": state, "limit": limit, "offset": offset}
            ),
        )

    def one(self, job_id: str) -> answers.Job:
        """Return a job."""
        return cast("answers.Job", self._transport.json("GET", f"/api/v1/jobs/{part(job_id)}"))

    def result(self, job_id: str) -> dict[str, Any]:
        """Return what a job found, as its command prints it with --json; 409 where it has not succeeded."""
        return cast("dict[str, Any]", self._transport.json("GET", f"/api/v1/jobs/{part(job_id)}/result"))

    def cancel(self, job_id: str) -> answers.Job:
        """Stop a job, waiting or running; one that has ended stays as it is."""
        return cast("answers.Job", self._transport.json("POST", f"/api/v1/jobs/{part(job_id)}/cancel"))

    def events(self, job_id: str) -> Iterator[answers.Job]:
        """Follow a job: an event `job` whenever it has changed; the stream ends when the job has."""
        return self._transport.events(f"/api/v1/jobs/{part(job_id)}/events")
