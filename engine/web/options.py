"""What a server is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.web.access.plans import Plan
from engine.web.jobs.desk import Limits
from forewalk.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Options:
    """How a server runs.

    Attributes:
        state: folder of what the server remembers: jobs, users, keys, uploaded files.
        runs: folder of run folders; the forecast log lies in it.
        host, port: where it listens; port 0 takes a free one.
        allowed_hosts: names besides those of loopback by which a browser may ask for it.
        users: ask everybody to log in, also on loopback. database: URL of SQLAlchemy; None means SQLite in `state`.
        paper: settings file of the home team's paper book; None for none.
        certificate, certificate_key: files of TLS. proxy: address of a proxy whose word on TLS and clients is taken.
        local_webhooks: let webhooks lead to this machine, too. limits: what jobs may use. plan: what a team may use.
    """

    state: Path = Path("serve")
    runs: Path = Path("runs")
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ()
    users: bool = False
    database: str | None = None
    paper: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None
    proxy: str | None = None
    local_webhooks: bool = False
    limits: Limits = field(default_factory=Limits)
    plan: Plan = field(default_factory=Plan)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.certificate is not None or self.proxy is not None

    @property
    def is_for_one(self) -> bool:
        """Whether the person at this machine needs no log-in while there are no users."""
        return self.is_loopback and not (self.users or self.allowed_hosts or self.is_encrypted)

    def check(self, has_users: bool) -> None:
        """Refuse what would open the server to others unguarded. Raises UsageError with the remedy."""
        if (self.certificate is None) != (self.certificate_key is None):
            raise UsageError("--tls-certificate and --tls-key belong together")
        if self.is_loopback:
            return
        if not has_users:
            raise UsageError(
                f"--host {self.host} lets other machines in, and nobody is known yet: start it once on this machine "
                "with --users, and make the owner by the link that it prints"
            )
        if not self.is_encrypted:
            raise UsageError(
                f"--host {self.host} would send passwords and keys in clear: give --tls-certificate and --tls-key, "
                "or --proxy ADDRESS of the proxy before it that does TLS"
            )
