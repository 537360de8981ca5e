"""What is sent to the server.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class Approval(TypedDict):
    """The nonce that the order was shown with."""

    nonce: str


class FirstOwner(TypedDict):
    """The secret of the link that the terminal printed, and who the owner shall be."""

    secret: str
    name: str
    password: str


class Halt(TypedDict):
    """What to stop: a symbol, or everything; `flatten` closes positions at the market too."""

    symbol: NotRequired[str | None]
    reason: NotRequired[str]
    flatten: NotRequired[bool]


class LogIn(TypedDict):
    """Who logs in."""

    name: str
    password: str


class NewKey(TypedDict):
    """What a key is called, and what may be done with it: never more than its user may."""

    name: str
    scopes: list[Literal["runs:read", "live:read", "runs:write", "live:approve", "team:write"]]


class NewPassword(TypedDict):
    """The old password, and the new one."""

    old: str
    new: str


class NewRole(TypedDict):
    """What a user may do from now on."""

    role: Literal["viewer", "analyst", "trader", "owner"]


class NewTeam(TypedDict):
    """A team and its first owner."""

    name: str
    owner: str
    password: str


class NewUser(TypedDict):
    """A user of the team."""

    name: str
    password: str
    role: NotRequired[Literal["viewer", "analyst", "trader", "owner"]]


class NewWebhook(TypedDict):
    """Where to send, by https, and which events; none means all."""

    url: str
    events: NotRequired[
        list[
            Literal[
                "job.succeeded", "job.failed", "job.cancelled", "forecast.written", "live.halt", "live.alarm"
            ]
        ]
    ]


class OfRun(TypedDict):
    """A finished run whose newest model is asked."""

    run: str


class Quotas(TypedDict):
    """What differs for a team from the server's own plan; null for what does not."""

    running_jobs: NotRequired[int | None]
    waiting_jobs: NotRequired[int | None]
    jobs_a_day: NotRequired[int | None]
    symbols: NotRequired[int | None]
    requests_a_minute: NotRequired[int | None]


class Resume(TypedDict):
    """What to lift; see `forewalk live resume --help` for the rest."""

    symbol: NotRequired[str | None]
    adopt: NotRequired[bool]
    new_peak: NotRequired[bool]


class Settings(TypedDict):
    """Settings by key, dotted or nested, as in a settings file; what is not given is the default."""

    settings: NotRequired[dict[str, Any]]


class SweepOf(TypedDict):
    """What to try on a run's stored forecasts: `strategy.entry=0:0.2:0.01`, `execution.fee_bps=0,5`."""

    vary: NotRequired[list[str]]
