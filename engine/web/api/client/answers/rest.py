"""What the server answers.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class AccountSeries(TypedDict):
    """The account of a run as numbers, [rows of the window that are shown]."""

    bars: int
    within: int
    shown: int
    thinned: bool
    first: str
    last: str
    time: list[str]
    equity: list[float | None]
    benchmark: list[float | None]
    drawdown: list[float | None]
    benchmark_drawdown: list[float | None]
    exposure: list[float | None]


class Artefact(TypedDict):
    """A file of a run: its path within it, and its size in bytes."""

    path: str
    bytes: int


class Delivery(TypedDict):
    """One event for one webhook."""

    id: str
    event: str
    state: str
    made: str
    due: str
    attempts: int
    answered: int | None
    problem: str | None
    ended: str | None


class Entry(TypedDict):
    """One write: when, by whom (ids; None where nobody is known), how they were known, what, and the answer."""

    number: int
    at: str
    team: str | None
    person: str | None
    via: str
    method: str
    path: str
    address: str
    status: int | None


class Forecast(TypedDict):
    """One forecast as it was written down before its outcome was known."""

    number: int
    written: str
    symbol: str
    asof: str
    closes_at: str
    horizon_bars: int
    interval: str
    execution: str
    relative: bool
    close: float
    mean: float
    std: float
    p_up: float
    low_80: float
    high_80: float
    model: str
    run: str | None
    actual: float | None


class Health(TypedDict):
    """That the server answers, and its version."""

    status: str
    version: str


class Job(TypedDict):
    """A piece of long work."""

    id: str
    kind: str
    settings: dict[str, Any]
    owner: str
    team: str
    state: str
    submitted: str
    started: NotRequired[str | None]
    finished: NotRequired[str | None]
    progress: NotRequired[dict[str, Any] | None]
    result: NotRequired[dict[str, Any] | None]
    problem: NotRequired[str | None]
    cancelled: NotRequired[bool]


class Key(TypedDict):
    """A key as it is listed; the key itself is nowhere."""

    id: str
    name: str
    begins: str
    scopes: list[str]
    user: str
    created: str
    used: str | None


class Me(TypedDict):
    """Who asks, what they may do, and the quotas of their team."""

    id: str
    name: str
    team: str
    role: str
    via: str
    scopes: list[str]
    plan: dict[str, int]


class PageOfDelivery(TypedDict):
    """One page of a list."""

    items: list[Delivery]
    total: int
    limit: int
    offset: int


class PageOfEntry(TypedDict):
    """One page of a list."""

    items: list[Entry]
    total: int
    limit: int
    offset: int


class PageOfForecast(TypedDict):
    """One page of a list."""

    items: list[Forecast]
    total: int
    limit: int
    offset: int


class PageOfJob(TypedDict):
    """One page of a list."""

    items: list[Job]
    total: int
    limit: int
    offset: int


class Problem(TypedDict):
    """What went wrong."""

    type: NotRequired[str]
    title: str
    status: int
    detail: str
    errors: NotRequired[list[dict[str, Any]] | None]


class Run(TypedDict):
    """A finished run: what it depended on, and every number it found."""

    name: str
    manifest: dict[str, Any]
    metrics: dict[str, Any]


class RunOverview(TypedDict):
    """One finished run in a line."""

    name: str
    path: str
    created: str
    verdict: str
    symbols: int | None
    first: str | None
    last: str | None
    horizon_bars: int | None
    model: str | None
    seed: int | None
    data_fingerprint: str
    skill_mse: float | None
    direction: float | None
    sharpe: float | None
    total_return: float | None
    max_drawdown: float | None
    latest: bool


class RunPage(TypedDict):
    """Some of the runs, and what is wrong with folders that look like one."""

    items: list[RunOverview]
    total: int
    limit: int
    offset: int
    problems: list[str]


class ShownKey(TypedDict):
    """A new key; `secret` is shown here and never again."""

    key: Key
    secret: str


class ShownWebhook(TypedDict):
    """A new webhook, and the secret that its deliveries are signed with, which is never shown again."""

    webhook: Webhook
    secret: str


class SymbolEntry(TypedDict):
    """A symbol: whether it is bundled with the program, and the newest close that a forecast was made at."""

    symbol: str
    bundled: bool
    forecast_asof: str | None


class Team(TypedDict):
    """A team; `plan` is what differs from the server's own."""

    id: str
    name: str
    created: str
    plan: dict[str, int]


class Upload(TypedDict):
    """A file: its name, by which `data.path` names it, and its size in bytes."""

    name: str
    bytes: int


class User(TypedDict):
    """A user as others of the team see it."""

    id: str
    name: str
    role: str
    team: str
    created: str


class Webhook(TypedDict):
    """An address that is told; `events` are those that it wants, none of them means all. Its secret is
    nowhere.
    """

    id: str
    url: str
    events: list[str]
    created: str
    made_by: str
