"""Made-up markets whose truth is known: a common factor, fat tails, GARCH, and drift that no timing beats."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.features.panel import FeaturePanel, Labels
from forewalk.sessions import session_closes, sessions_between
from forewalk.types import Bars, FloatArray

DAILY = 0.01  # volatility of a symbol per bar, on average
COMMON = 0.4  # share of a symbol's variance that is the market's
OVERNIGHT = 0.3  # share of a bar's variance before its open
TAILS = 5  # degrees of freedom of Student's t
ARCH, GARCH = 0.08, 0.90
YEAR = 252
FEATURES = 6


@dataclass(frozen=True)
class World:
    """One made-up market.

    Attributes:
        seed: of everything in it.
        bars, symbols: its size.
        sharpe: annual Sharpe ratio of its common factor; the drift is in proportion to the variance of its bar, so
            that leaving the market in wild times earns no more than holding less of it.
        ic: correlation of the first feature of `planted` with what is a symbol's own in its next return.
    """

    seed: int
    bars: int = 1500
    symbols: int = 10
    sharpe: float = 0.0
    ic: float = 0.0


def market(world: World) -> Bars:
    """Draw daily bars, [T, S]: nothing that is known at a close says anything about the mean of a later return."""
    random = np.random.default_rng([world.seed, 1])
    returns = _returns(world, random)
    close = 100.0 * np.cumprod(1.0 + returns, axis=0)
    before = np.vstack([np.full((1, world.symbols), 100.0), close[:-1]])
    night = returns * OVERNIGHT + math.sqrt(OVERNIGHT * (1 - OVERNIGHT)) * DAILY * random.normal(
        size=close.shape
    )
    opens = before * (1.0 + night)
    reach = 0.3 * DAILY * np.abs(random.normal(size=(2, *close.shape)))
    high, low = np.maximum(opens, close) * (1 + reach[0]), np.minimum(opens, close) * (1 - reach[1])
    volume = np.round(np.exp(15.0 + 0.3 * random.normal(size=close.shape)))
    return Bars(_times(world), _names(world), opens, high, low, close, volume)


def planted(world: World) -> tuple[Bars, FeaturePanel, Labels, FloatArray]:
    """Draw a market one feature of which leads what is each symbol's own; also that part of the next return, [T, S].

    The known part is what an oracle would forecast. Labels are of one bar.
    """
    random = np.random.default_rng([world.seed, 2])
    values = random.normal(size=(world.bars, world.symbols, FEATURES))
    leads = np.vstack([np.zeros((1, world.symbols)), values[:-1, :, 0]])
    returns = _returns(world, np.random.default_rng([world.seed, 1]), leads)
    close = 100.0 * np.cumprod(1.0 + returns, axis=0)
    opens = np.vstack([close[:1], close[:-1]])
    times = _times(world)
    bars = Bars(
        times, _names(world), opens, np.maximum(opens, close), np.minimum(opens, close), close, opens * 1e4
    )
    later = np.vstack([np.log1p(returns[1:]), np.full((1, world.symbols), np.nan)])
    scale = np.full(close.shape, DAILY)
    names = tuple(f"feature_{number}" for number in range(FEATURES))
    panel = FeaturePanel(
        times, bars.symbols, names, values.astype(np.float32), scale, np.ones(close.shape, bool)
    )
    end = times[1:].append(pd.DatetimeIndex([pd.NaT], tz="UTC")).as_unit("us")
    known = world.ic * math.sqrt(1 - COMMON) * DAILY * values[:, :, 0]
    return bars, panel, Labels(later, later / scale, end, 1), known


def _returns(world: World, random: np.random.Generator, leads: FloatArray | None = None) -> FloatArray:
    """Simple returns, [T, S]; `leads` is the part of each symbol's own that was known a bar before."""
    unit = math.sqrt(1 - 2 / TAILS)
    common = unit * random.standard_t(TAILS, world.bars)
    own = unit * random.standard_t(TAILS, (world.bars, world.symbols))
    if leads is not None:
        own = world.ic * leads + math.sqrt(1 - world.ic**2) * own
    variance = garch(common)
    factor = np.sqrt(variance) * common + world.sharpe / math.sqrt(YEAR) * variance
    spread = np.sqrt((1 - COMMON) * variance)[:, None] * own
    result = DAILY * (math.sqrt(COMMON) * factor[:, None] + spread)
    return np.maximum(result, -0.5)


def garch(shocks: FloatArray) -> FloatArray:
    """Variance per bar, [T], of a GARCH(1,1) with these shocks; one on average."""
    variance = np.empty(len(shocks))
    now = 1.0
    for t, shock in enumerate(shocks):
        variance[t] = now
        now = 1 - ARCH - GARCH + ARCH * now * shock**2 + GARCH * now
    return variance


def _times(world: World) -> pd.DatetimeIndex:
    return session_closes("XNYS", sessions_between("XNYS", "2004-01-02", "2030-01-01")[: world.bars])


def _names(world: World) -> tuple[str, ...]:
    return tuple(f"N{number:03d}" for number in range(world.symbols))
