"""What reality would charge: costs, a late order, borrowed shares, accounts of other sizes."""

from __future__ import annotations

import numpy as np

from engine.evaluation.costs import BreakEven, RealityMetrics
from engine.report import tables
from engine.report.charts import evidence as charts
from engine.report.tables import PageTable

BEYOND = "Cost per fill at which nothing is left beyond buying and holding"


def reality_table(reality: RealityMetrics | None, turnover: float | None = None) -> PageTable:
    """What a late order, borrowed shares and more money would change; `turnover` is the account's, a year."""
    if not reality:
        return PageTable(("", "Value"), ())
    delay, even = reality.delay, reality.break_even.cost_bps
    beyond = reality.break_even_excess
    rows = [
        ("Cost per fill at which nothing is earned", "none" if even is None else f"{even:.1f} bp"),
        *(
            ()
            if beyond is None
            else (("Cost per fill at which nothing is left beyond buying and holding", _bp(beyond)),)
        ),
        *budget_rows(reality, turnover),
        ("Sharpe ratio when every order is one bar late", tables.number(delay.sharpe_annual)),
        ("Total return when every order is one bar late", tables.percent(delay.total_return)),
    ]
    for row in reality.borrow:
        rate = f"{row.borrow_bps_per_year:g} bp a year"
        rows.append((f"Sharpe ratio when short positions cost {rate}", tables.number(row.sharpe_annual)))
    left = reality.delistings
    if left:
        what = f"{left.positions:,} positions closed at the last price of a symbol without bars; total return"
        rows.append((f"{what} had it lost another {-left.assumed:.0%}", tables.percent(left.total_return)))
    for limit in reality.capacity:
        share = f"{limit.volume_share:.0%}"
        rows.append((f"Largest account within {share} of each bar's volume", tables.number(limit.money, 0)))
    return PageTable(("", "Value"), tuple(rows), (0,))


def budget_rows(reality: RealityMetrics, turnover: float | None) -> list[tuple[str, str]]:
    """Turnover as a budget: how much of it what was earned would pay for, and what of that the account has used.

    Traded so many times more at the run's own fee and slippage, what it earned would be gone: the cost at which
    nothing is left over the cost that was paid. Nothing where it trades for free, or not at all.
    """
    cost = reality.delay.fee_bps + reality.delay.slippage_bps
    if not turnover or not cost:
        return []
    rows = [("Turnover a year (buys plus sells over mean equity)", f"{turnover:.1f}")]
    named = (
        ("what it earns", reality.break_even),
        ("what it earns beyond buying and holding", reality.break_even_excess),
    )
    for what, even in named:
        if even is not None:
            pays = f"Turnover a year that {what} would pay for, at {cost:g} bp a fill"
            rows.append((pays, _budget(turnover, cost, even.cost_bps)))
    return rows


def _budget(turnover: float, cost: float, even: float | None) -> str:
    if not even:
        return "none"
    share = cost / even
    return f"{turnover / share:.1f}, of which {share:.0%} is used"


def _bp(even: BreakEven) -> str:
    return "none" if even.cost_bps is None else f"{even.cost_bps:.1f} bp"


def size_table(reality: RealityMetrics | None) -> PageTable:
    """The account with other amounts of money; costs grow with its orders."""
    rows = [
        (
            f"{row.cash:,.0f}",
            tables.percent(row.total_return),
            tables.number(row.sharpe_annual),
            tables.NOTHING if row.cost_bps is None else f"{row.cost_bps:.1f} bp",
            tables.percent(row.filled, 0),
        )
        for row in (reality.sizes if reality else ())
    ]
    columns = (
        "Money at the start",
        "Total return",
        "Sharpe ratio",
        "Costs per fill",
        "Filled of what was ordered",
    )
    return PageTable(columns, tuple(rows))


def capacity_svg(reality: RealityMetrics | None, held: float | None) -> str:
    """Return the chart of Sharpe ratios by size; nothing with fewer than two sizes that moved."""
    rows = [row for row in (reality.sizes if reality else ()) if row.sharpe_annual is not None]
    if len(rows) < 2:
        return ""
    cash, ratios = (np.array([getattr(row, name) for row in rows]) for name in ("cash", "sharpe_annual"))
    return charts.capacity_chart(cash, ratios, held)


def costs_svg(reality: RealityMetrics | None, held: float) -> str:
    """Return the grid of fees and slippage as a picture."""
    rows = reality.grid if reality else ()
    fees = sorted({row.fee_bps for row in rows})
    slips = sorted({row.slippage_bps for row in rows})
    grid = np.full((len(fees), len(slips)), np.nan)
    for row in rows:
        if row.sharpe_annual is not None:
            grid[fees.index(row.fee_bps), slips.index(row.slippage_bps)] = row.sharpe_annual
    return charts.cost_chart(
        [f"{f:g} bp fee" for f in fees], [f"{s:g} bp slippage" for s in slips], grid, held
    )
