"""A client of the API: `Client(address, key)`, whose answers are plain values with known types.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from .forecasts import Forecasts
from .health import Health
from .jobs import Jobs
from .live import Live
from .people import People
from .runs import Runs
from .transport import Refused, Transport
from .uploads import Uploads
from .webhooks import Webhooks

__all__ = ["Client", "Refused"]


class Client(Transport):
    """A server of the API; the arguments are those of `Transport`, every call may be `Refused`."""

    @property
    def forecasts(self) -> Forecasts:
        """Forecasts and symbols."""
        return Forecasts(self)

    @property
    def health(self) -> Health:
        """Whether the server answers."""
        return Health(self)

    @property
    def jobs(self) -> Jobs:
        """Jobs."""
        return Jobs(self)

    @property
    def live(self) -> Live:
        """The paper book and its models."""
        return Live(self)

    @property
    def people(self) -> People:
        """People, keys, teams and the audit log."""
        return People(self)

    @property
    def runs(self) -> Runs:
        """Finished runs, and runs side by side."""
        return Runs(self)

    @property
    def uploads(self) -> Uploads:
        """Files of one's own."""
        return Uploads(self)

    @property
    def webhooks(self) -> Webhooks:
        """Webhooks and what was delivered."""
        return Webhooks(self)
