"""The sweeps of a run: which there are, the surface of one of them, and what the best of so many tries is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from engine.evaluation.metrics.alarms import MAX_SHARPE_ANNUAL, WHERE_LEAKS_SIT
from engine.sweep.grid import Axis, default_texts
from engine.sweep.result import METRICS, Sweep, best_rows, sweep_lines
from engine.sweep.stored import read_outcome, read_sweep, sweeps_of
from engine.sweep.surface import SCALE, TITLES, drawn_axes, heat_table, own_cell, value_text
from engine.web.screens.quant.heat import MOST_SIDE, Side, heat, number_text, shown
from forewalk.errors import DataError
from forewalk.settings.loading import load_settings
from forewalk.types import FloatArray

BEST = 12  # settings in the table of the best
WARNING = (
    "No best cell is skill. It was picked after the fact, and the best of many tries is good by luck first. "
    "A cell shows the median over the settings that are not drawn. Look for wide areas of one colour, and believe "
    "none of it before new prices have come."
)
HEADS = ("Sharpe", "return", "deepest fall", "turnover", "fees")


@dataclass(frozen=True)
class SweepRow:
    """A sweep in a list: its number, how many settings it tried, what it varied, and what became of the best."""

    number: str
    settings: str
    varied: str
    best: str
    left: str


@dataclass(frozen=True)
class SweepScreen:
    """One sweep.

    Attributes:
        said: its outcome in sentences. tries: settings tried. discounted: the best after the discount, in words.
        chart: the surface of `metric` over `across` and `down` ("" for one axis). about: what its colours mean.
        thinned: what the drawing leaves out, "" for nothing. metrics: (name, title). keys: that were varied.
        numbers: heads and rows of the surface as text. best: heads and rows of the best settings as text.
    """

    said: tuple[str, ...]
    tries: int
    discounted: str
    chart: Markup
    about: str
    thinned: str
    metric: str
    across: str
    down: str
    metrics: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    numbers: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
    best: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def sweep_rows(run: Path) -> tuple[SweepRow, ...]:
    """Return the finished sweeps of a run, the newest first; a damaged one says so."""
    return tuple(_row(folder) for folder in sweeps_of(run))


def starting(run: Path) -> tuple[str, str]:
    """Return what a sweep of this run varies where nothing is said, one a line; and why none can be run, or ""."""
    settings = load_settings(run / "config.toml", environment={})
    if settings.strategy.is_own:
        return "", (
            f"A sweep runs the built-in policies. This run's own strategy, {settings.strategy.kind}, is varied by "
            "backtests, each with settings of its own."
        )
    return "\n".join(default_texts(settings)), ""


def sweep_screen(folder: Path, metric: str, across: str, down: str) -> SweepScreen:
    """Return the screen of a sweep's folder; a metric or setting that was not varied gives the first.

    Raises:
        DataError: the sweep is damaged.
    """
    result = _read(folder, (folder / "sweep.json").stat().st_mtime_ns)
    metric = metric if metric in METRICS else METRICS[0]
    drawn = _chosen(result, across, down)
    cells = heat_table(result, metric, drawn)
    sides = [Side(axis.key, tuple(map(value_text, axis.values))) for axis in drawn if axis is not None]
    middle, about = _middle(result, metric, cells)
    others = [axis.key for axis in result.axes if axis not in drawn]
    label = f"{TITLES[metric]} over {' and '.join(side.name for side in sides)}"
    return SweepScreen(
        said=tuple(sweep_lines(result)),
        tries=len(result.table),
        discounted=_discounted(result),
        chart=heat(
            label, cells, sides[0], sides[1] if len(sides) > 1 else None, middle, own_cell(result, *drawn)
        ),
        about=about + (f" The median is over {', '.join(others)}." if others else ""),
        thinned=_thinned(cells),
        metric=metric,
        across=drawn[0].key,
        down=drawn[1].key if drawn[1] else "",
        metrics=tuple(TITLES.items()),
        keys=tuple(axis.key for axis in result.axes),
        numbers=_numbers(cells, sides),
        best=_best(result),
    )


@lru_cache(maxsize=4)
def _read(folder: Path, written: int) -> Sweep:
    """Read a sweep; `written` is when, since a run's name may be used again."""
    return read_sweep(folder)


def _row(folder: Path) -> SweepRow:
    try:
        told = read_outcome(folder)
        luck, best = told["luck"], told["best"] or {}
        varied = ", ".join(f"{key} ({len(values)})" for key, values in told["axes"].items())
        ratio, rest = luck.get("best_sharpe"), ""
        if luck.get("probability") is not None:
            rest = _left(luck.get("best_beyond"), luck.get("threshold"))
        values = ", ".join(f"{key} = {value_text(best.get(key))}" for key in told["axes"])
        return SweepRow(
            folder.name,
            f"{told['settings']:,}",
            varied,
            "none traded" if ratio is None else f"{ratio:.2f} ({values})",
            rest,
        )
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        return SweepRow(folder.name, "", "damaged: it cannot be read", "", "")


def _left(beyond: float | None, threshold: float | None) -> str:
    """Say what the discount leaves of a Sharpe ratio beyond just holding."""
    if beyond is None or threshold is None:
        return ""
    rest = beyond - threshold
    return f"{rest:+.2f}" if rest > 0 else f"nothing ({rest:+.2f})"


def _discounted(result: Sweep) -> str:
    luck = result.luck
    if luck.best_sharpe_annual is None or luck.threshold_annual is None:
        return "No setting traded, so there is no best value."
    if luck.probability is None:
        return f"{luck.bars} bars are too few to say what the best value is worth."
    if luck.best_sharpe_annual > MAX_SHARPE_ANNUAL:
        return f"The best value, {luck.best_sharpe_annual:.2f} a year, is too good to be believed. {WHERE_LEAKS_SIT}"
    if luck.best_beyond_annual is None:
        return (
            "This sweep is of an older version, which did not keep what is beyond just holding: sweep again."
        )
    beyond = "Beyond just holding" if luck.against == "buy_and_hold" else "Beyond cash"
    return (
        f"{beyond}, the best setting reached a Sharpe ratio of {luck.best_beyond_annual:.2f} a year. "
        f"{luck.independent_tries:,.0f} independent tries on these prices would reach {luck.threshold_annual:.2f} by "
        f"luck alone. After that discount it is worth {_left(luck.best_beyond_annual, luck.threshold_annual)}. "
        + (
            "As far as the test of a run's best can see, that is more than luck."
            if luck.passes
            else "That is not more than luck."
        )
    )


def _chosen(result: Sweep, across: str, down: str) -> tuple[Axis, Axis | None]:
    """Return the axes asked for, or those with the most values."""
    usual = [axis for axis in drawn_axes(result) if axis is not None]
    known = {axis.key: axis for axis in result.axes}
    first = known.get(across, usual[0])
    rest = [axis for axis in (*usual, *result.axes) if axis != first]
    if not rest:
        return first, None
    asked = known.get(down)
    return first, asked if asked is not None and asked != first else rest[0]


def _middle(result: Sweep, metric: str, cells: FloatArray) -> tuple[float, str]:
    """Return the value without a colour, and what the colours mean."""
    held = result.held.get(metric)
    if held is not None:
        held *= SCALE.get(metric, 1.0)
        return held, f"Blue is more than just holding gave ({number_text(held)}), red is less."
    known = cells[cells == cells]
    middle = float(sorted(known.tolist())[len(known) // 2]) if known.size else 0.0
    return middle, f"Blue is more than the middle of the cells ({number_text(middle)}), red is less."


def _thinned(cells: FloatArray) -> str:
    left = [f"{len(shown(count))} of {count:,}" for count in cells.shape if count > MOST_SIDE]
    return (
        f"Drawn and listed are {' and '.join(left)} values, evenly; the table as a file has all."
        if left
        else ""
    )


def _numbers(cells: FloatArray, sides: Sequence[Side]) -> Any:
    rows, columns = (shown(count) for count in cells.shape)
    heads = tuple(sides[0].values[column] for column in columns)
    names = sides[1].values if len(sides) > 1 else ("",)
    body = tuple(
        (names[row], *(number_text(float(cells[row, column])) for column in columns)) for row in rows
    )
    return heads, body


def _best(result: Sweep) -> Any:
    keys = [axis.key for axis in result.axes]
    rows = tuple(
        (
            *(value_text(row[key]) for key in keys),
            number_text(row["sharpe"]),
            f"{row['total_return']:.1%}",
            f"{row['max_drawdown']:.1%}",
            f"{row['turnover_per_year']:.1f}",
            f"{row['fees']:,.0f}",
        )
        for _, row in best_rows(result, BEST).iterrows()
    )
    return (*keys, *HEADS), rows
