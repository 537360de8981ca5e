"""The page about a paper book: halts first, then the account in money, then what it has, does and waits for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl

from engine.live.watch.facts import Account, BookFacts
from engine.live.watch.readings import SAYS
from engine.report.charts.base import (
    BLUE,
    GREY,
    INK,
    STYLE,
    date_axis,
    date_positions,
    new_figure,
    thousands,
    to_svg,
)
from engine.report.rendering import render
from forewalk.types import FloatArray

MIN_RATIO_BARS = 63  # a quarter: ratios per year of less say nothing
BANDS = ((0, 6, 0.12), (1, 5, 0.22), (2, 4, 0.35))  # places in `expected.LEVELS`: 95, 80, 50 of 100
FEW = 2  # bars from which there is a line to draw


def write_page(
    facts: BookFacts,
    account: Account,
    held: FloatArray,
    expected: FloatArray | None,
    why_not: str,
    path: Path,
    tearsheet: str | None,
) -> None:
    """Write the page.

    Args:
        held: dollars of just holding, [T], as `account.times`. expected: as of `expected_growth`, None where there
            is none, and `why_not` says why. tearsheet: name of QuantStats' page beside it, None without one.
    """
    began = float(account.equity[0])
    context: dict[str, Any] = {
        "title": f"Paper account, book {facts.book}",
        "subtitle": f"As of the close of {account.times[-1]:%Y-%m-%d %H:%M} UTC. Nothing here is real money.",
        "verdict": verdict(account, held),
        "good": False,
        "halts": [_halt(halt) for halt in facts.halts],
        "chart": chart(account, held, expected),
        "band": why_not
        if expected is None
        else "Shaded: where 50, 80 and 95 of 100 accounts like the backtest's would be.",
        "account": {"heads": heads("", "This book", "Just holding"), "rows": _money(account, held, began)},
        "ratios": _ratios(len(account.times)),
        "tearsheet": tearsheet,
        "parts": _parts(facts),
    }
    path.write_text(render("book.html", context), encoding="utf-8")


def verdict(account: Account, held: FloatArray) -> str:
    """Return the first sentence: the account in money, beside just holding the same."""
    days = (account.times[-1] - account.times[0]).days
    made, holding = (float(values[-1] - values[0]) for values in (account.growth, held / held[0]))
    began = float(account.equity[0])
    paid = float(account.flows[-1])
    flows = (
        f"; {abs(paid):,.0f} was {'paid in' if paid > 0 else 'taken out'}, which counts as neither"
        if paid
        else ""
    )
    return (
        f"In {days} days {began:,.0f} became {began * (1 + made):,.0f} ({_signed(began * made)}); "
        f"just holding the same symbols, {began * (1 + holding):,.0f} ({_signed(began * holding)}){flows}. "
        f"The worst fall was {account.worst_fall:.1%}."
    )


def chart(account: Account, held: FloatArray, expected: FloatArray | None) -> str:
    """Draw the account and just holding, in dollars, inside the band that the backtest leads to expect."""
    began = float(account.equity[0])
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(3.2, 1)
        where = date_positions(account.times)
        if expected is not None and len(where) >= FEW:
            for low, high, strength in BANDS:
                axis.fill_between(
                    *(where, began * expected[low], began * expected[high]),
                    color=BLUE,
                    alpha=strength,
                    linewidth=0,
                )
        axis.plot(where, held / held[0] * began, color=GREY, label="just holding")
        axis.plot(
            where,
            account.growth * began,
            color=INK,
            label="this book",
            marker="." if len(where) < FEW else "",
        )
        axis.yaxis.set_major_formatter(thousands)
        axis.legend(loc="upper left")
        date_axis(axis)
        return to_svg(figure, "The account beside just holding and what the backtest leads to expect")


def heads(*names: str) -> list[dict[str, Any]]:
    """Return the heads of a table; a name that begins with `_` stands over text."""
    return [
        {"name": name.removeprefix("_"), "text": name.startswith("_") or not place}
        for place, name in enumerate(names)
    ]


def _money(account: Account, held: FloatArray, began: float) -> list[Sequence[str]]:
    from forewalk.returns import drawdown_series

    falls = [float(-drawdown_series(values).min()) for values in (account.growth, held)]
    return [
        ("began with", f"{began:,.2f}", f"{began:,.2f}"),
        (
            "now, deposits taken out",
            f"{began * account.growth[-1]:,.2f}",
            f"{began * held[-1] / held[0]:,.2f}",
        ),
        ("worst fall", *(f"{fall:.1%}" for fall in falls)),
        ("decisions", f"{len(account.times):,}", ""),
    ]


def _ratios(bars: int) -> str:
    if bars >= MIN_RATIO_BARS:
        return "Figures per year and their uncertainty:"
    return f"Figures per year would say nothing yet: {bars} of the {MIN_RATIO_BARS} bars that they need at least."


def _halt(halt: dict[str, Any]) -> str:
    exits = " Exits and stops still go out." if halt["exits"] else ""
    left = f" Still open: {'; '.join(halt['left'])}." if halt["left"] else ""
    return f"Stopped: {halt['scope']}, since {_time(halt['since'])}. {halt['reason']}.{exits}{left}"


def _parts(facts: BookFacts) -> list[dict[str, Any]]:
    return [part(facts) for part in (_positions, _wishes, _orders, _fills, _models, _drift, _alerts)]


def _positions(facts: BookFacts) -> dict[str, Any]:
    rows = [
        (
            p["symbol"],
            f"{p['quantity']:,.6g}",
            *(_number(p[name]) for name in ("close", "value")),
            _share(p["share"]),
        )
        for p in facts.positions
    ]
    names = heads("Symbol", "Shares", "Last close", "Value", "Of the account")
    return _part("Positions", "", "Nothing is held.", names, rows)


def _wishes(facts: BookFacts) -> dict[str, Any]:
    rows = [
        (
            *(i["symbol"], _number(i["close"]), _move(i["mean"]), _spread(i["std"])),
            *(_share(i["weight"]) or "as it is", i["problem"] or i["reason"]),
        )
        for i in facts.intentions
    ]
    aid = "At the last close; orders follow where this differs from what is held."
    names = heads("Symbol", "Close", "Expected", "Spread", "Wanted", "_Why")
    return _part("What it wants next", aid, "Nothing yet.", names, rows)


def _orders(facts: BookFacts) -> dict[str, Any]:
    rows = [(o["what"], o["kind"], o["state"], _time(o["valid_until"]), o["reason"]) for o in facts.orders]
    names = heads("Order", "_Kind", "_State", "_Valid until", "_Reason")
    return _part("Orders not finished", "", "None.", names, rows)


def _fills(facts: BookFacts) -> dict[str, Any]:
    rows = [(f["what"], _number(f["price"]), _time(f["at"])) for f in facts.fills]
    return _part("Newest fills", "", "None yet.", heads("Fill", "Price", "_When"), rows)


def _models(facts: BookFacts) -> dict[str, Any]:
    rows = [
        (
            *(f"{m.model_id}{' (asked now)' if m.active else ''}", m.role, m.valid_from[:16]),
            *("" if m.age_bars is None else f"{m.age_bars} of {m.max_age_bars}", m.problem or m.note),
        )
        for m in facts.models
    ]
    names = heads("Model", "_Role", "_Asked from", "Bars old", "_Note")
    return _part("Models", "", "This strategy asks none.", names, rows)


def _drift(facts: BookFacts) -> dict[str, Any]:
    rows = [
        (
            f"{r.watch}{f' ALARM since {r.since}' if r.since else ''}",
            *("not read" if r.level is None else f"{r.level:.2f}", SAYS[r.watch], r.detail),
        )
        for r in facts.readings
    ]
    aid = "Does it still do what the backtest led to expect? A watch alarms above 1."
    empty = "It has not been read yet: the daemon reads it after each session."
    return _part("Drift", aid, empty, heads("Watch", "Level", "_It would mean", "_What was seen"), rows)


def _alerts(facts: BookFacts) -> dict[str, Any]:
    rows = [(_time(a["at"]), a["kind"], a["symbol"], a["text"]) for a in facts.alerts]
    return _part("Newest alerts", "", "None.", heads("When", "_Kind", "_Symbol", "_What"), rows)


def _part(
    title: str, aid: str, empty: str, names: list[dict[str, Any]], rows: Sequence[Sequence[str]]
) -> dict[str, Any]:
    return {"title": title, "aid": aid, "empty": empty, "heads": names, "rows": rows}


def _signed(value: float) -> str:
    return f"{value:+,.0f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _move(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.2f} %"


def _spread(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
