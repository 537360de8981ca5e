"""Does a strategy of the user's own decide by what it cannot know? The cheap check, made before its numbers are told.

The audit replaces the future at many dates and trains again. This only runs the strategy again: bar by bar, with
nothing loaded ahead, and over histories that end at three dates. A decision that was possible then is the same again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from engine.evaluation.metrics.door import Record
from engine.runs.folder import code_version
from engine.simulation.cerebro import simulate
from forewalk.errors import LookaheadError, PluginError
from forewalk.plugins.failures import OverTime, time_limit
from forewalk.plugins.loading import source_of
from forewalk.sessions import session_closes
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts, SimulationResult

CUTS = (0.25, 0.5, 0.75)  # of the span
WHAT = ["decided_at", "symbol", "side", "type"]
TOLERANCE = 1e-6  # relative, of a quantity: backtrader's indicators may round otherwise bar by bar
FEWEST_BARS = 8
PASSED = "strategy-tried.sha256"  # in the daemon's state folder
MADE_UP_BARS, MADE_UP_SYMBOLS = 300, 50


@dataclass(frozen=True)
class ForesightCheck(Record):
    """What the check of an own strategy found.

    Attributes:
        orders: of the run, that were compared.
        cuts: dates at which a shorter history ended.
        problem: what differed first, in words; None where nothing did.
    """

    orders: int
    cuts: tuple[str, ...]
    problem: str | None = None


def check_foresight(
    bars: Bars, forecasts: Forecasts, settings: Settings, result: SimulationResult
) -> ForesightCheck | None:
    """Run an own strategy again bar by bar and over three shorter histories; None for the project's own.

    Args:
        bars, forecasts, settings: as given to `simulate`.
        result: what came of it.
    """
    if not settings.strategy.is_own:
        return None
    count = len(forecasts)
    rows = [int(count * part) for part in CUTS] if count >= FEWEST_BARS else []
    times = [forecasts.timestamps[row] for row in rows]
    dates = tuple(f"{time:%Y-%m-%d}" for time in times)
    problem = _differs(bars, forecasts, settings, result, None)
    for row, time in zip(rows, times, strict=True):
        if problem is None:
            shorter = bars.until(time), _first_rows(forecasts, row + 1)
            problem = _differs(*shorter, settings, result, time)
    return ForesightCheck(len(result.orders), dates, problem)


def refuse_foresight(settings: Settings, state: Path | None = None) -> None:
    """Try an own strategy on bars that are made up, for the daemon, which has none before it starts.

    Another exception is not judged: such bars may lack what it needs, and the first decision meets it again.

    Args:
        state: of the daemon. What has passed is noted there and not tried again, until a file that it imports, a
            setting that it can see or this program is another one; None tries it anew.

    Raises:
        LookaheadError: it decides by later bars, or not the same way twice.
        PluginError: one run takes longer than `live.inference_timeout_s`.
    """
    if not settings.strategy.is_own:
        return
    tried = _trial_key(settings)
    if state is not None and _noted(state) == tried:
        return
    bars, forecasts = _made_up(settings)
    try:
        with time_limit(settings.live.inference_timeout_s):
            result = simulate(bars, forecasts, settings)
    except (PluginError, OverTime) as problem:
        if isinstance(problem, OverTime) or isinstance(problem.__cause__, OverTime):
            raise PluginError(f"{problem}; mend it, or raise live.inference_timeout_s") from None
        return
    check = check_foresight(bars, forecasts, settings, result)
    if check is not None and check.problem is not None:
        raise LookaheadError(f"strategy.kind = {settings.strategy.kind!r}: {check.problem}")
    if state is not None:
        _note(state, tried)


def _trial_key(settings: Settings) -> str:
    """Return a hash of everything that the outcome of a trial on made-up bars hangs on."""
    own = source_of(settings.strategy.kind, "strategy.kind", settings.plugins)
    seen = settings.model_dump(mode="json", exclude={"live", "name", "jobs", "executor", "address"})
    parts = (own.sha256, code_version()["sha256"], json.dumps(seen, sort_keys=True))
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _noted(state: Path) -> str | None:
    try:
        return (state / PASSED).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _note(state: Path, tried: str) -> None:
    """Remember it as well as the disk allows: where it cannot be, the next start tries the strategy again."""
    with contextlib.suppress(OSError):
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = state / f".{PASSED}.{os.getpid()}"
        temporary.write_text(f"{tried}\n", encoding="utf-8")
        temporary.replace(state / PASSED)


def _differs(
    bars: Bars, forecasts: Forecasts, settings: Settings, result: SimulationResult, cut: pd.Timestamp | None
) -> str | None:
    """Say what differs from `result` before `cut`; None where nothing does."""
    how = "bar by bar" if cut is None else f"with a history that ends on {cut:%Y-%m-%d}"
    try:
        again = simulate(bars, forecasts, settings, runonce=False, preload=False)
    except LookaheadError as problem:
        return f"{how} it stops: {problem}"
    except PluginError as problem:
        return f"{how} it raised what it did not in the run: {problem}"
    first, second = (_orders_before(one.orders, cut) for one in (result, again))
    both = min(len(first), len(second))
    same = (first[WHAT][:both].to_numpy() == second[WHAT][:both].to_numpy()).all(axis=1)
    same &= np.isclose(first["quantity"][:both], second["quantity"][:both], rtol=TOLERANCE, atol=0.0)
    if same.all() and len(first) == len(second):
        return None
    row = int(np.argmin(same)) if not same.all() else both
    longer = first if len(first) > row else second
    return f"{how} it decides otherwise, first on {longer['decided_at'].iloc[row]:%Y-%m-%d}"


def _orders_before(orders: pd.DataFrame, cut: pd.Timestamp | None) -> pd.DataFrame:
    return (orders if cut is None else orders[orders["decided_at"] < cut]).reset_index(drop=True)


def _first_rows(forecasts: Forecasts, count: int) -> Forecasts:
    return replace(
        forecasts,
        timestamps=forecasts.timestamps[:count],
        mean=forecasts.mean[:count],
        std=forecasts.std[:count],
        p_up=forecasts.p_up[:count],
        model_ids=forecasts.model_ids[:count],
        trained_until=forecasts.trained_until[:count],
    )


def _made_up(settings: Settings) -> tuple[Bars, Forecasts]:
    """Return daily bars and forecasts of the settings' symbols that mean nothing, the same every time."""
    calendar, symbols = settings.data.exchange, settings.data.symbols[:MADE_UP_SYMBOLS]
    closes = session_closes(calendar, pd.date_range("2021-01-04", periods=2 * MADE_UP_BARS, freq="D"))
    times = closes[closes.notna()][:MADE_UP_BARS]
    random, shape = np.random.default_rng(1), (len(times), len(symbols))
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.02, shape), axis=0))
    opens = close * np.exp(random.normal(0.0, 0.005, shape))
    high, low = np.maximum(opens, close) * 1.005, np.minimum(opens, close) * 0.995
    volume = np.full(shape, 1e7)
    bars = Bars(times, symbols, opens, high, low, close, volume, calendar)
    forecasts = Forecasts(
        timestamps=times,
        symbols=symbols,
        mean=random.normal(0.0, 0.01, shape),
        std=np.full(shape, 0.02),
        p_up=random.uniform(0.3, 0.7, shape),
        horizon_bars=settings.label.horizon_bars,
        model_ids=("made-up",) * len(times),
        trained_until=pd.DatetimeIndex([times[0] - pd.Timedelta(days=1)] * len(times)),
    )
    return bars, forecasts
