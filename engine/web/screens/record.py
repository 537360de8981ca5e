"""How good it has been: ranges that held, directions that were right, against a coin and against "no change"."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from scipy.special import ndtri

from engine.report.wording import words
from engine.web.screens import drawing

LAST = 250  # forecasts that are counted and shown
LEVEL = 0.8  # of the range that every screen speaks of
Z80 = float(ndtri((1 + LEVEL) / 2))
FEW = 20  # settled forecasts below which the log gives way to the backtest, and a share is not told


@dataclass(frozen=True)
class Day:
    """One forecast and what came, as texts; whether the range and the direction held, None without a direction."""

    day: str
    symbol: str
    said: str
    came: str
    inside: bool
    right: bool | None


@dataclass(frozen=True)
class Record:
    """The screen.

    Attributes:
        sentence: the first. source: where the forecasts are from, in words. chart: dots inside and outside the range.
        strip: right and wrong days. always_up: how many a forecaster who always says "up" would have had right.
        beside_no_change: in words. days: the newest first. problems: of the log.
    """

    sentence: str
    source: str
    chart: Markup | None
    strip: Markup | None
    always_up: str
    beside_no_change: str
    days: tuple[Day, ...]
    problems: tuple[str, ...]


def record(run: Path | None, log: Path) -> Record:
    """Return the record of the log where it has FEW settled forecasts, else that of the run's walk-forward.

    Args:
        run: folder of a finished run; None for the log alone. log: of forecasts, which may not be there yet.

    Raises:
        ForewalkError: the log is no forecast log.
    """
    from engine.forecast.log import ForecastLog

    file = ForecastLog(log)
    logged = file.table()
    problems = tuple(file.problems())
    settled = logged[logged["actual"].notna()]
    stored = None if run is None else pd.read_parquet(run / "forecasts.parquet")
    if stored is not None:  # the same question: these symbols, so many bars ahead
        same = settled["symbol"].isin(stored["symbol"].unique())
        settled = settled[same & settled["horizon_bars"].isin(stored["horizon_bars"].unique())]
    if len(settled) >= FEW or stored is None:
        since = f" since {pd.Timestamp(settled['asof'].min()):%-d %B %Y}" if len(settled) else ""
        return _record(
            settled,
            f"From the log{since}: each was written down before its day, and nobody can change it.",
            problems,
        )
    stored = stored[stored["actual"].notna()]
    return _record(
        stored,
        "From the backtest: each by a model that had not seen its day. The log of real forecasts is still too short.",
        problems,
    )


def _record(table: pd.DataFrame, source: str, problems: tuple[str, ...]) -> Record:
    last = table.sort_values("asof", kind="stable").tail(LAST)
    mean, std, actual = (last[name].to_numpy(np.float64) for name in ("mean", "std", "actual"))
    inside = np.abs(actual - mean) <= Z80 * std
    told = (mean != 0) & (actual != 0)
    right = (mean > 0) == (actual > 0)
    days = tuple(
        Day(
            day=f"{pd.Timestamp(asof):%Y-%m-%d}",
            symbol=str(symbol),
            said=f"{np.expm1(m - Z80 * s):+.1%} to {np.expm1(m + Z80 * s):+.1%}",
            came=f"{np.expm1(a):+.1%}",
            inside=bool(i),
            right=bool(r) if t else None,
        )
        for asof, symbol, m, s, a, i, r, t in zip(
            last["asof"], last["symbol"], mean, std, actual, inside, right, told, strict=True
        )
    )
    up = int((actual[told] > 0).sum())
    naive, own = (
        float(np.abs(actual).mean()) if len(actual) else 0.0,
        float(np.abs(actual - mean).mean()) if len(actual) else 0.0,
    )
    return Record(
        sentence=words.record(len(last), int(inside.sum()), int((right & told).sum()), int(told.sum())),
        source=source,
        chart=_dots(actual, mean, std) if len(last) > 1 else None,
        strip=_strip(days) if len(last) > 1 else None,
        always_up=f'Always saying "up" would have been right {up:,} times.' if len(last) else "",
        beside_no_change=_beside(own, naive) if len(last) else "",
        days=tuple(reversed(days)),
        problems=problems,
    )


def _beside(own: float, naive: float) -> str:
    better = "nearer" if own < naive else "farther away"
    return (
        f'On average the forecast was {own:.2%} away from what came; "tomorrow as today" was {naive:.2%} away. '
        f"So it was {better}, by {abs(naive - own):.3%}."
    )


def _dots(actual: np.ndarray, mean: np.ndarray, std: np.ndarray) -> Markup:
    """What came, in parts of the range that was given: the band is the range for 80 of 100."""
    scaled = (actual - mean) / (Z80 * std)
    shown = np.clip(scaled, -3, 3)
    x, _ = drawing.axes([0.0, 1.0], len(shown))
    y = drawing.Scale(-3.2, 3.2, drawing.HEIGHT - drawing.BOTTOM, drawing.TOP)
    ends = [x(0), x(len(shown) - 1)]
    parts = [
        drawing.area("band80", ends, [y(-1), y(-1)], [y(1), y(1)]),
        drawing.words("tick", drawing.LEFT, drawing.TOP + 8, "the band: the range for 80 of 100"),
    ]
    parts += [
        drawing.dot("inside" if abs(value) <= 1 else "outside", x(k), y(float(shown[k])))
        for k, value in enumerate(scaled)
    ]
    held = int((np.abs(scaled) <= 1).sum())
    return drawing.chart(f"{held} of {len(scaled)} forecasts ended inside the range", parts)


def _strip(days: tuple[Day, ...]) -> Markup:
    """Right days above the line, wrong ones below it."""
    x = drawing.Scale(0.0, float(len(days)), drawing.LEFT, drawing.WIDTH - drawing.RIGHT)
    width = max(0.8, (x(1) - x(0)) * 0.8)
    parts = []
    for k, day in enumerate(days):
        if day.right is None:
            continue
        kind, top = ("right", 8) if day.right else ("wrong", 28)
        parts.append(
            Markup('<rect class="{}" x="{}" y="{}" width="{}" height="18"/>').format(
                kind, x(k), top, round(width, 2)
            )
        )
    parts.append(drawing.words("tick", drawing.LEFT - 6, 22, "right", "end"))
    parts.append(drawing.words("tick", drawing.LEFT - 6, 42, "wrong", "end"))
    right = sum(1 for day in days if day.right)
    wrong = sum(1 for day in days if day.right is False)
    return Markup('<svg class="chart" viewBox="0 0 {} 52" role="img" aria-label="{}">{}</svg>').format(
        drawing.WIDTH, f"{right} right and {wrong} wrong directions, in order of time", Markup("").join(parts)
    )
