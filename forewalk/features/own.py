"""Features of the user's own: whatever their functions give, checked and laid out as the panel is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.cleaning.together import each_market, spread_out
from forewalk.data.quality import FEATURE_GAPS, Finding
from forewalk.errors import ConfigError, DataError, PluginError
from forewalk.features.news import TEXT_FEATURES, news_features
from forewalk.features.panel import FeaturePanel, build_features
from forewalk.plugins.failures import own_code
from forewalk.plugins.holding import plugin_of
from forewalk.plugins.loading import Plugin
from forewalk.settings.sections import Settings
from forewalk.types import CLOSED_AT, Bars, FloatArray, frozen

LARGEST = 1e30  # float32, which models read, ends at 3.4e38
FORMS = "give an array [bars, symbols] or [bars], a DataFrame (times x symbols), or a dict of these by name"


def panel_of(bars: Bars, settings: Settings) -> FeaturePanel:
    """Compute the feature panel that the settings ask for, the user's own features last.

    Where several markets close at different times, each is computed on its own bars alone, so that none knows what
    another one will close at later in the day.

    Raises:
        ConfigError: a feature's name is taken, or a function is not there.
        PluginError: a function raised, or gave something that is no feature of these bars.
    """
    if CLOSED_AT not in bars.extras:
        return _alone(bars, settings)
    parts = [(market, _alone(own, settings)) for market, own in each_market(bars)]
    names = parts[0][1].names
    shape = bars.close.shape
    values, scale, eligible = (
        np.full((*shape, len(names)), np.nan, np.float32),
        np.full(shape, np.nan),
        np.zeros(shape),
    )
    gaps = dict.fromkeys(parts[0][1].gaps, 0)
    for market, part in parts:
        if part.names != names:
            raise ConfigError(
                f"your features give {', '.join(part.names)} for {market.calendar} and {', '.join(names)} for "
                f"another market; they must have the same names for each"
            )
        spread_out(part.values, market, values)
        spread_out(part.scale, market, scale)
        spread_out(part.eligible, market, eligible)
        gaps = {name: count + part.gaps[name] for name, count in gaps.items()}
    values.flags.writeable = False
    return FeaturePanel(
        timestamps=bars.timestamps, symbols=bars.symbols, names=names, values=values, scale=frozen(scale),
        eligible=np.maximum.accumulate(eligible, axis=0) > 0, gaps=gaps,
        markets=tuple(tuple(market.columns.tolist()) for market, _ in parts),
    )  # fmt: skip


def _alone(bars: Bars, settings: Settings) -> FeaturePanel:
    own = own_features(bars, settings)
    horizon, history = settings.label.horizon_bars, settings.data.min_history_bars
    return build_features(bars, settings.features, horizon, history, own)


def gap_findings(panel: FeaturePanel) -> tuple[Finding, ...]:
    """Return a finding for each feature of the user's own that is missing where the others are there.

    Features of texts are missing together, so they have one finding, of the one that is missing most.

    Raises:
        DataError: they leave no bar of any symbol.
    """
    usable = int(np.isfinite(panel.values).all(axis=2).sum())
    if not usable and any(panel.gaps.values()):
        emptiest = max(panel.gaps, key=lambda name: panel.gaps[name])
        if emptiest.startswith(TEXT_FEATURES):
            raise DataError(
                "the features of texts are missing wherever the built-in ones are there; nothing could be learned: "
                "do the texts reach into the span of the bars? See news.silent_bars, patience_minutes, learn_texts"
            )
        raise DataError(
            f"your feature {emptiest!r} is NaN wherever the built-in features are there; nothing could be learned"
        )
    missing = {name: count for name, count in panel.gaps.items() if count}
    of_texts = [name for name in missing if name.startswith(TEXT_FEATURES)]
    most = max(of_texts, key=lambda name: missing[name], default="")
    return tuple(
        Finding("", FEATURE_GAPS, "", "noted", count, None, None, _gap_sentence(name, count, usable))
        for name, count in missing.items()
        if name not in of_texts or name == most
    )


def _gap_sentence(name: str, count: int, usable: int) -> str:
    called = f"the feature of texts {name!r}" if name.startswith(TEXT_FEATURES) else f"your feature {name!r}"
    return (
        f"{called} is missing on {count:,} symbol-bars on which the built-in ones are there: "
        f"nothing is learned or forecast there; {usable:,} symbol-bars are left"
    )


def own_features(bars: Bars, settings: Settings) -> dict[str, FloatArray]:
    """Return the columns of `features.columns` and what the functions of `features.extra` give, by name, [T, S]."""
    features = {name: _column(bars, name) for name in settings.features.columns}
    if settings.news.path is not None:
        features |= _of_texts(bars, settings)
    for name in settings.features.extra:
        plugin = plugin_of(settings, "features.extra", name)
        if not callable(plugin.value):
            raise ConfigError(f"{plugin.source} is no function; give one that takes the bars; {FORMS}")
        with own_code(plugin.source):
            given = plugin.value(bars)
        for feature, values in _named(given, plugin):
            if feature in features:
                raise ConfigError(
                    f"{plugin.source}: a feature {feature!r} is there already; name it otherwise"
                )
            features[feature] = _checked(values, bars, plugin)
    return features


def _of_texts(bars: Bars, settings: Settings) -> dict[str, FloatArray]:
    found = news_features(bars, settings.news.count_bars)
    if not found:
        raise DataError(
            "news.path: these bars carry no texts; load them with the settings that name the file"
        )
    return found


def _column(bars: Bars, name: str) -> FloatArray:
    if name in bars.extras:
        return bars.extras[name]
    raise DataError(
        f"features.columns: the bars have no column {name!r}; bars in memory take it along with "
        f"Bars.from_frame(frame, columns=[{name!r}])"
    )


def _named(given: Any, plugin: Plugin) -> Iterator[tuple[str, Any]]:
    """Yield each feature with its name: that of the function, or those of the dict it gave."""
    if isinstance(given, Mapping):
        yield from ((str(name), values) for name, values in given.items())
    else:
        yield plugin.source.name.partition(":")[2], given


def _checked(values: Any, bars: Bars, plugin: Plugin) -> FloatArray:
    """Return values as float64 [T, S]; one per bar counts for every symbol, infinity counts as missing."""
    shape = bars.close.shape
    if isinstance(values, pd.DataFrame):
        values = _by_symbol(values, bars, plugin)
    elif isinstance(values, pd.Series):
        values = _in_time(values, bars, plugin)
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise _unusable(plugin, f"gave {type(values).__name__}, which is no numbers; {FORMS}") from None
    if array.shape == shape[:1]:
        array = np.broadcast_to(array[:, None], shape)
    if array.shape != shape:
        raise _unusable(
            plugin, f"gave shape {array.shape}, but the bars are {shape} (bars, symbols); {FORMS}"
        )
    return np.where(np.abs(array) <= LARGEST, array, np.nan)


def _by_symbol(frame: pd.DataFrame, bars: Bars, plugin: Plugin) -> Any:
    missing = [symbol for symbol in bars.symbols if symbol not in frame.columns]
    if missing or len(frame.columns) != len(bars.symbols):
        raise _unusable(
            plugin,
            f"gave a DataFrame with columns {', '.join(map(str, frame.columns[:6]))}; they must be the symbols: "
            f"{', '.join(bars.symbols[:6])}",
        )
    return _in_time(frame[list(bars.symbols)], bars, plugin)


def _in_time(values: Any, bars: Bars, plugin: Plugin) -> Any:
    if not values.index.equals(bars.timestamps):
        raise _unusable(
            plugin,
            f"gave {len(values)} rows whose index is not bars.timestamps ({len(bars)} UTC closes); reindex it",
        )
    return values.to_numpy()


def _unusable(plugin: Plugin, what: str) -> PluginError:
    code = getattr(plugin.value, "__code__", None)
    line = f" line {code.co_firstlineno}" if code is not None else ""
    return PluginError(f"{plugin.source} {what} ({plugin.source.file}{line})")
