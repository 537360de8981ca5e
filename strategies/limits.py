"""The price of a limit order: plain arithmetic, compiled as it stands."""

from __future__ import annotations

import math

COIN_TICK, CENT, SMALL_TICK = 1e-9, 0.01, 0.0001


def limit_at(close: float, side: int, bps: float, coin: bool) -> float:
    """Return the limit at `bps` from the last close, on the grid of prices and never beyond the collar.

    Args:
        close: the last close. side: 1 to buy, -1 to sell. coin: whether the grid is that of coins.
    """
    exact = close * (1.0 + side * bps * 1e-4)
    tick, grid = CENT, 1e2
    if coin:
        tick, grid = COIN_TICK, 1e9
    elif exact < 1.0:
        tick, grid = SMALL_TICK, 1e4
    steps = exact / tick
    whole = float(round(steps))
    if abs(steps - whole) > 1e-6 * max(1.0, abs(steps) * 1e-6):
        whole = float(math.floor(steps)) if side > 0 else float(math.ceil(steps))
    return max(whole, 1.0) / grid
