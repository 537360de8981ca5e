"""Does the paper book still do what its backtest led to expect? The watches, and the account in its band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from engine.live.watch.expected import LEVELS
from engine.live.watch.readings import DATA, FEATURES, FILLS, SAYS, Reading, Readings, stored_readings
from engine.web.screens import drawing
from forewalk.errors import DataError
from forewalk.settings.sections import Settings
from forewalk.types import FloatArray

if TYPE_CHECKING:
    from broker.journal.journal import Journal
    from engine.live.watch.facts import Account

SHOWN = 60  # decisions in the table, the newest first
NAMES = {
    "loss": "Errors of the forecasts",
    "coverage": "Outcomes outside the range for 80 of 100",
    "width": "Width of that range",
    "qlike": "The stated spread",
    FEATURES: "What the model looks at",
    FILLS: "What fills cost",
    DATA: "Bars and forecasts that came",
}
BANDS = (("band95", 0, 6), ("band80", 1, 5), ("band50", 2, 4))  # places in `LEVELS`
NOT_SKILL = (
    "Inside means that the book does what its backtest did, not that either is skill; outside means that something "
    "is different now."
)


@dataclass(frozen=True)
class Place:
    """Where the account is after its last decision, as growth of one unit of money since the first.

    Attributes:
        decisions: so far. account, held: growth of the book, and of just holding its symbols.
        expected: quantiles of the growth that the backtest leads to expect, by level; None where it does not.
        inside: out of 100, the narrowest of the ranges for 50, 80 and 95 that holds the account; None for none.
    """

    decisions: int
    account: float
    held: float
    expected: dict[str, float] | None
    inside: int | None


@dataclass(frozen=True)
class Watch:
    """A watch as it is shown: its name, whether it is an alarm, its state, what was seen, and a bar of its level."""

    name: str
    alarm: bool
    state: str
    seen: str
    bar: Markup


@dataclass(frozen=True)
class DriftScreen:
    """The screen.

    Attributes:
        sentence: the account in money and in its band. drift: what the watches say, in one sentence.
        alarm: whether one of them is an alarm. chart: None with nothing decided. why_not: there is no band, or "".
        watches: one each. asof: when they were read, in words.
        rows: (day, account, just holding, lowest and highest of the range for 80 of 100, where it is) as text.
    """

    sentence: str
    drift: str
    alarm: bool
    chart: Markup | None
    why_not: str
    watches: tuple[Watch, ...]
    asof: str
    rows: tuple[tuple[str, ...], ...]


def place_of(account: Account, held: FloatArray, expected: FloatArray | None) -> Place:
    """Return where the account is; `held` in money and `expected` as of `expected_growth`, as `account.times`."""
    growth = float(account.growth[-1])
    last = None if expected is None else expected[:, -1]
    return Place(
        decisions=len(account.times),
        account=growth,
        held=float(held[-1] / held[0]),
        expected=None
        if last is None
        else {f"{level:g}": float(each) for level, each in zip(LEVELS, last, strict=True)},
        inside=None if last is None else _inside(growth, last),
    )


def drift_screen(journal: Journal, settings: Settings, folder: Path) -> DriftScreen:
    """Return the screen of a book; `folder` is its state. Nothing is written."""
    from engine.live.watch.facts import account
    from engine.live.watch.summary import account_history, expected_band

    found, problem = readings_of(folder)
    watches = tuple(_watch(each) for each in found.readings) if found else ()
    drift, alarm = _drift(found, problem, settings)
    asof = _asof(found, journal)
    own = account(journal)
    if not len(own.times):
        return DriftScreen("The book has decided nothing yet.", drift, alarm, None, "", watches, asof, ())
    held = account_history(journal, settings)["benchmark"].to_numpy(dtype=np.float64)
    expected, why_not = expected_band(settings, len(own.times))
    return DriftScreen(
        sentence=_sentence(own, place_of(own, held, expected)),
        drift=drift,
        alarm=alarm,
        chart=_chart(own, held, expected),
        why_not=why_not,
        watches=watches,
        asof=asof,
        rows=_rows(own, held, expected),
    )


def unread(settings: Settings) -> str:
    """Return why there are no readings of a book."""
    if settings.live.drift == "off":
        return "The drift is not watched: live.drift is off."
    if not settings.live.summary:
        return "The drift is read with the page of the day, and live.summary turns that off."
    return "The daemon reads the drift after each session's close, and has not done so yet."


def readings_of(folder: Path) -> tuple[Readings | None, str]:
    """Return what the watches said last, None where nothing is there, and why it cannot be read, or ""."""
    try:
        return stored_readings(folder), ""
    except DataError as problem:
        return None, str(problem)


def _drift(found: Readings | None, problem: str, settings: Settings) -> tuple[str, bool]:
    if found is None or (not found.readings and not found.problem):
        return problem or unread(settings), bool(problem)
    if found.problem:
        return found.problem, True
    loud = [each for each in found.readings if each.since is not None]
    if loud:
        names = ", ".join(f"{NAMES.get(each.watch, each.watch)} (since {each.since})" for each in loud)
        raising = "raises" if len(loud) == 1 else "raise"
        return f"{len(loud)} of {len(found.readings)} watches {raising} an alarm: {names}.", True
    silent = sum(each.level is None for each in found.readings)
    rest = f"; {silent} of {len(found.readings)} cannot be read yet" if silent else ""
    return f"No watch raises an alarm{rest}.", False


def _asof(found: Readings | None, journal: Journal) -> str:
    if found is None:
        return ""
    last = journal.decisions.last()
    later = " A newer bar has been decided on since." if last is not None and last.asof > found.asof else ""
    return f"Read after the close of {found.asof:%Y-%m-%d %H:%M} UTC.{later}"


def _watch(reading: Reading) -> Watch:
    name = NAMES.get(reading.watch, reading.watch)
    if reading.level is None:
        return Watch(name, False, "cannot be read", reading.detail, Markup(""))
    sessions = f"{reading.sessions:,} {'session' if reading.sessions == 1 else 'sessions'}"
    if reading.since is None:
        state = f"quiet, at {reading.level:.2f} of its limit after {sessions}"
    else:
        state = f"alarm since {reading.since}: {SAYS.get(reading.watch, '')}"
    return Watch(name, reading.since is not None, state, reading.detail, _bar(name, reading.level))


def _bar(name: str, level: float) -> Markup:
    """A bar up to the level, with a line at the limit."""
    limit, width = 200, 300
    long = round(min(max(level, 0.0) * limit, width), 1)
    return Markup(
        '<svg class="level" viewBox="0 0 {} 14" preserveAspectRatio="xMinYMid" role="img" '
        'aria-label="{}: {} of its limit">'
        '<rect class="rest" x="0" y="3" width="{}" height="8"/><rect class="{}" x="0" y="3" width="{}" height="8"/>'
        '<path class="limit" d="M{} 0V14"/></svg>'
    ).format(width, name, f"{level:.2f}", width, "wrong" if level > 1 else "right", long, limit)


def _inside(growth: float, last: FloatArray) -> int | None:
    for out_of, (_, low, high) in zip((95, 80, 50)[::-1], BANDS[::-1], strict=True):
        if last[low] <= growth <= last[high]:
            return out_of
    return None


def _sentence(own: Account, place: Place) -> str:
    began = float(own.equity[0])
    count = f"{place.decisions:,} {'decision' if place.decisions == 1 else 'decisions'}"
    said = f"After {count} {began:,.0f} became {began * place.account:,.0f}, deposits taken out."
    if place.expected is None:
        return said
    low, high = (began * place.expected[level] for level in ("0.1", "0.9"))
    return (
        f"{said} Of 100 accounts like the backtest's, 80 would be between {low:,.0f} and {high:,.0f}: "
        f"{_where(place.account, place.inside, place.expected)}."
    )


def _where(growth: float, inside: int | None, expected: dict[str, float]) -> str:
    if inside in (50, 80):
        return "this one is inside"
    side = "above" if growth > expected["0.5"] else "below"
    if inside == 95:
        return f"this one is {side}, but within the range for 95"
    return f"this one is {side}, and outside of the range for 95"


def _chart(own: Account, held: FloatArray, expected: FloatArray | None) -> Markup:
    began = float(own.equity[0])
    line, beside = began * own.growth, began * held / held[0]
    places = drawing.thinned(line)
    values = [*line.tolist(), *beside.tolist()]
    if expected is not None:
        values += (began * expected[[0, 6]]).ravel().tolist()
    x, y = drawing.axes(values, len(line))
    dates = own.times
    parts = [drawing.frame(y, "{:,.0f}", f"{dates[0]:%Y-%m-%d}", f"{dates[-1]:%Y-%m-%d}")]
    xs = [x(place) for place in places]
    if expected is not None and len(places) > 1:
        for kind, low, high in BANDS:
            edges = [[y(began * float(expected[side, place])) for place in places] for side in (low, high)]
            parts.append(drawing.area(kind, xs, edges[0], edges[1]))
    for kind, series in (("held", beside), ("price", line)):
        parts.append(drawing.line(kind, xs, [y(float(series[place])) for place in places]))
    if len(places) == 1:
        parts.append(drawing.dot("inside", xs[0], y(float(line[0]))))
    return drawing.chart(
        "The account beside just holding, in the range that its backtest leads to expect", parts
    )


def _rows(own: Account, held: FloatArray, expected: FloatArray | None) -> tuple[tuple[str, ...], ...]:
    began = float(own.equity[0])
    newest: Sequence[int] = range(len(own.times) - 1, max(len(own.times) - SHOWN, 0) - 1, -1)
    return tuple(
        (
            f"{own.times[row]:%Y-%m-%d}",
            f"{began * own.growth[row]:,.0f}",
            f"{began * held[row] / held[0]:,.0f}",
            *(("", "", "") if expected is None else _range(began, float(own.growth[row]), expected[:, row])),
        )
        for row in newest
    )


def _range(began: float, growth: float, expected: FloatArray) -> tuple[str, str, str]:
    low, high = float(expected[1]), float(expected[5])
    where = "inside" if low <= growth <= high else "above" if growth > high else "below"
    return f"{began * low:,.0f}", f"{began * high:,.0f}", where
