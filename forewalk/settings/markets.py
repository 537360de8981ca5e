"""What goes without saying: on a market (`data.market`), and of a strategy that nothing is said of.

A preset is a part of the settings tree under everything that the user gives: file, environment, command line. A run
stores the whole tree, so a stored run does not depend on presets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EQUITIES = {  # market -> exchange calendar, currency
    "us_equity": ("XNYS", "USD"),
    "uk_equity": ("XLON", "GBP"),
    "de_equity": ("XETR", "EUR"),
    "fr_equity": ("XPAR", "EUR"),
    "ch_equity": ("XSWX", "CHF"),
    "ca_equity": ("XTSE", "CAD"),
    "jp_equity": ("XTKS", "JPY"),
    "hk_equity": ("XHKG", "HKD"),
    "au_equity": ("XASX", "AUD"),
    "in_equity": ("XBOM", "INR"),
}
DAY = 24 * 60
SESSION = {  # minutes, lunch included; others are open around the clock
    **dict.fromkeys(("us_equity", "ca_equity", "hk_equity", "index"), 390),
    **dict.fromkeys(("uk_equity", "de_equity", "fr_equity", "ch_equity"), 510),
    **dict.fromkeys(("jp_equity", "au_equity"), 360),
    "in_equity": 375,
}
LENGTH = {"4h": 240, "2h": 120, "1h": 60, "30min": 30, "15min": 15, "5min": 5, "1min": 1}  # minutes
MARKETS = (*EQUITIES, "forex", "crypto", "index")
TRAINING_SESSIONS = {"4h": 750, "2h": 500, "1h": 500, "30min": 250, "15min": 125, "5min": 60, "1min": 20}
REPLAY = 126  # `live.replay_bars` of daily bars; a session that is longer than half of it needs more
NO_VOLUME = {"features": {"volume_bars": 0}, "execution": {"max_volume_share": None}}
OTHERS: Mapping[str, Mapping[str, Any]] = {
    # 1 pip is about what a retail account pays for a major pair; there is no commission beside it
    "forex": {
        "features": {"volume_bars": 0},
        "strategy": {"direction": "long_short"},
        "execution": {"fee_bps": 0.0, "slippage_bps": 0.0, "spread_pips": 1.0, "max_volume_share": None},
    },
    # 25 bp is the usual lowest tier of a taker; the year has 365 sessions
    "crypto": {
        "folds": {"train_bars": 1095, "refit_every_bars": 365},
        "model": {"max_age_bars": 730},
        "execution": {"fee_bps": 25.0, "slippage_bps": 5.0, "fractional": True},
    },
    "index": NO_VOLUME,
}
# Each asset at constant risk: the values of the published recipe, none fitted to the sample (docs/constant-risk.md).
CONSTANT_RISK = {"sizing": "constant_risk", "always_held": True, "target_volatility": 0.15}
HOW_MUCH = frozenset(
    {"target_volatility", "trade_band", "smooth_std_bars", "tilt", "max_weight", "max_gross"}
)


def with_preset(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree on top of its presets: of the market, and of a strategy that says nothing of when to trade.

    An unknown market is left for validation.
    """
    preset = _on_market(tree)
    strategy, data = preset.get("strategy", {}), preset.get("data", {})
    intraday_named = isinstance(data, Mapping) and data.get("interval") in TRAINING_SESSIONS
    if intraday_named or not isinstance(strategy, Mapping) or not HOW_MUCH.issuperset(strategy):
        return preset
    return merged({"strategy": CONSTANT_RISK}, preset)


def _on_market(tree: Mapping[str, Any]) -> dict[str, Any]:
    data = tree.get("data")
    market = data.get("market") if isinstance(data, Mapping) else None
    if market not in MARKETS or not isinstance(data, Mapping):
        return dict(tree)
    base = merged(OTHERS.get(market, {}), {"data": _data(market, data)})
    interval = data.get("interval")
    if interval in TRAINING_SESSIONS:
        base = merged(base, intraday(market, str(interval)))
    return merged(base, tree)


def _data(market: str, data: Mapping[str, Any]) -> dict[str, Any]:
    if market in EQUITIES:
        calendar, currency = EQUITIES[market]
        return {"calendar": calendar, "currency": currency}
    if market == "forex":
        zone = data.get("zone")
        return {"calendar": f"FX@{zone}" if zone and data.get("interval", "1d") in (None, "1d") else "FX"}
    return {"calendar": "24/7" if market == "crypto" else "XNYS"}


def intraday(market: str, interval: str) -> dict[str, Any]:
    """Return folds, warm-up, embargo, holding time and replay that count sessions rather than bars."""
    session = -(-SESSION.get(market, DAY) // LENGTH[interval])  # every begun interval is a bar
    training = TRAINING_SESSIONS[interval]
    refit = max(1, training // 5)
    return {
        "data": {"min_history_bars": session * 20},
        "folds": {
            "train_bars": session * training,
            "refit_every_bars": session * refit,
            "embargo_bars": session,
        },
        "model": {"lookback_bars": min(2048, max(60, session)), "max_age_bars": session * refit * 2},
        "strategy": {"min_hold_bars": session},
        "live": {"replay_bars": max(REPLAY, session + REPLAY // 2)},
    }


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two trees as one; where both have a value, `above` goes before."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        result[key] = merged(under, value) if both and isinstance(under, Mapping) else value
    return result
