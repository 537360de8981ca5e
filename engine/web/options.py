"""What a server is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.web.jobs.desk import Limits

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Options:
    """How a server runs.

    Attributes:
        state: folder of what the server remembers: jobs, users, keys, uploaded files.
        runs: folder of run folders; the forecast log lies in it.
        host, port: where it listens; port 0 takes a free one.
        allowed_hosts: names besides those of loopback by which a browser may ask for it.
        database: URL of SQLAlchemy; None means SQLite in `state`.
        limits: what jobs may use.
    """

    state: Path = Path("serve")
    runs: Path = Path("runs")
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ()
    database: str | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK
