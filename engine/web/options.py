"""What a server is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Options:
    """How a server runs.

    Attributes:
        state: folder of what the server remembers: jobs, users, keys, uploaded files.
        runs: folder of run folders; the forecast log lies in it.
        host, port: where it listens; port 0 takes a free one.
        allowed_hosts: names besides those of loopback by which a browser may ask for it.
    """

    state: Path = Path("serve")
    runs: Path = Path("runs")
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK
