"""From bars to the panel a model sees, and the labels it is trained on.

`FeaturePanel` holds what is known at each close; `Labels` hold what came after. They are separate values
so that a model's `predict` cannot be handed a label by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from forewalk.data.cleaning.together import each_market, spread_out
from forewalk.errors import ConfigError
from forewalk.features.cross_section import (
    cross_section_features,
    features_over_time,
    market_volatility,
    normal_scores,
)
from forewalk.features.technical import LIMIT, log_returns, technical_features, usable_volatility
from forewalk.sessions import microseconds
from forewalk.settings.sections import FeatureSettings, LabelSettings
from forewalk.types import Bars, BoolArray, FloatArray, frozen

Float32Array = npt.NDArray[np.float32]
NONE_OWN: Mapping[str, FloatArray] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class FeaturePanel:
    """Features of every symbol at every bar.

    Attributes:
        timestamps: UTC closes, length T. symbols: length S. names: length F.
        values: float32 [T, S, F]; NaN for the whole row of a symbol where any of its features is missing.
        scale: trailing volatility of the return over the horizon, log-return units, float64 [T, S];
            forecasts and labels are expressed in multiples of it. NaN where the symbol is no member of the universe:
            it is neither forecast nor trained on there.
        eligible: bool [T, S], True from the bar at which the symbol has its minimum history.
        gaps: feature of the user's own -> symbol-bars at which it is missing though all built-in ones are there.
        markets: columns of the symbols that close together, where there are several such markets: each is forecast
            without a look at the others.
    """

    timestamps: pd.DatetimeIndex
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    values: Float32Array
    scale: FloatArray
    eligible: BoolArray
    gaps: Mapping[str, int] = field(default_factory=dict)
    markets: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.timestamps)

    def known(self, rows: int) -> FeaturePanel:
        """Return the first `rows` bars only: everything that was known at the close of bar `rows - 1`."""
        return replace(
            self,
            timestamps=self.timestamps[:rows],
            values=self.values[:rows],
            scale=self.scale[:rows],
            eligible=self.eligible[:rows],
        )

    def of_columns(self, columns: tuple[int, ...]) -> FeaturePanel:
        """Return the panel of some symbols alone."""
        chosen = list(columns)
        return replace(
            self,
            symbols=tuple(self.symbols[column] for column in chosen),
            values=self.values[:, chosen],
            scale=self.scale[:, chosen],
            eligible=self.eligible[:, chosen],
            markets=(),
        )


@dataclass(frozen=True, eq=False)
class Labels:
    """What came after each bar.

    Attributes:
        returns: log return from close t to close t+h, or from open t+1 to open t+1+h with `execution = next_open`,
            float64 [T, S], minus the mean over the symbols unless `absolute`; NaN where either price is missing.
        scaled: `returns` divided by the panel's scale at t.
        end: UTC close of the bar of the later price, length T; NaT where it lies beyond the data.
        horizon_bars: h.
        scores: rank of `scaled` over the symbols of the bar as a normal score, [T, S], with `kind = rank`; else None.
    """

    returns: FloatArray
    scaled: FloatArray
    end: pd.DatetimeIndex
    horizon_bars: int
    scores: FloatArray | None = None

    @property
    def sign(self) -> FloatArray:
        """-1, 0 or +1 of the return, NaN where unknown."""
        return np.sign(self.returns)


def build_features(
    bars: Bars,
    settings: FeatureSettings,
    horizon_bars: int = 1,
    min_history_bars: int = 1,
    own: Mapping[str, FloatArray] = NONE_OWN,
) -> FeaturePanel:
    """Compute the feature panel; the row of bar t depends on bars at or before t only.

    `own` are further features by name, float64 [T, S] each; see `forewalk.features.own`. They are taken as they
    are, neither scaled nor cut.

    Raises:
        ConfigError: one of `own` has the name of another feature.
    """
    volatility = symbol_volatility(bars, settings.volatility_bars)
    built_in = _built_in(bars, volatility, settings)
    taken = [name for name in own if name in built_in]
    if taken:
        raise ConfigError(f"{taken[0]!r} is a feature of Forewalk already; give yours another name")
    names = (*built_in, *own)
    values = np.full((*bars.close.shape, len(names)), np.nan)
    for position, feature in enumerate((*built_in.values(), *own.values())):
        values[:, :, position] = feature
    complete = np.isfinite(values[:, :, : len(built_in)]).all(axis=2)
    scale = volatility * np.sqrt(horizon_bars)
    gaps = {name: int((complete & ~np.isfinite(feature)).sum()) for name, feature in own.items()}
    values[~np.isfinite(values).all(axis=2)] = np.nan
    return FeaturePanel(
        timestamps=bars.timestamps,
        symbols=bars.symbols,
        names=names,
        values=_read_only(values.astype(np.float32)),
        scale=frozen(scale if bars.member is None else np.where(bars.member, scale, np.nan)),
        eligible=np.cumsum(bars.present, axis=0) >= min_history_bars,
        gaps=gaps,
    )


def build_labels(bars: Bars, panel: FeaturePanel, settings: LabelSettings) -> Labels:
    """Compute the label of every bar: its log return over the next `horizon_bars`, scaled by volatility.

    In a panel of several markets each counts its own bars, and is compared with its own symbols; a row's `end` is the
    latest of its markets'.
    """
    returns = label_returns(bars, settings)
    ends = np.full(len(bars), np.iinfo(np.int64).min + 1)
    missing = np.zeros(len(bars), bool)
    stamps, reach = microseconds(bars.timestamps), settings.reach_bars
    for market, _ in each_market(bars):
        rows = market.rows
        ended, open_ended = rows[: max(len(rows) - reach, 0)], rows[max(len(rows) - reach, 0) :]
        ends[ended] = np.maximum(ends[ended], stamps[rows[reach:]])
        missing[open_ended] = True
    ends[missing] = np.iinfo(np.int64).min  # NaT
    scaled = returns / panel.scale
    return Labels(
        returns=frozen(returns),
        scaled=frozen(scaled),
        end=pd.DatetimeIndex(ends.astype("datetime64[us]"), tz="UTC"),
        horizon_bars=settings.horizon_bars,
        scores=frozen(_scores(scaled, bars)) if settings.kind == "rank" else None,
    )


def label_returns(bars: Bars, settings: LabelSettings) -> FloatArray:
    """Return what each bar's label is about, its log return over the next `horizon_bars`, not yet scaled, [T, S]."""
    returns = np.full(bars.close.shape, np.nan)
    for market, own in each_market(bars):
        spread_out(_returns_ahead(own, settings), market, returns)
    return returns


def _returns_ahead(bars: Bars, settings: LabelSettings) -> FloatArray:
    """Return the label of one market's bars, not yet scaled, [T, S]."""
    horizon, reach = settings.horizon_bars, settings.reach_bars
    prices = bars.open if settings.execution == "next_open" else bars.close
    returns = np.full(bars.close.shape, np.nan)
    if len(bars) > reach:
        returns[:-reach] = np.log(prices[reach:] / prices[reach - horizon : -horizon])
    if settings.relative:
        returns = returns - _mean_over_symbols(returns, bars.member)[:, None]
    return returns


def _scores(scaled: FloatArray, bars: Bars) -> FloatArray:
    scores = np.full(scaled.shape, np.nan)
    for market, own in each_market(bars):
        cells = scaled[np.ix_(market.rows, market.columns)]
        spread_out(normal_scores(cells, own.member), market, scores)
    return scores


def symbol_volatility(bars: Bars, span: int) -> FloatArray:
    """Return each symbol's trailing volatility per bar, [T, S], over its own bars; NaN where it has none."""
    result = np.full(bars.close.shape, np.nan)
    for column in range(len(bars.symbols)):
        present = bars.present[:, column]
        result[present, column] = usable_volatility(bars.close[present, column], span)
    return result


def one_bar_returns(bars: Bars, relative: bool = False) -> FloatArray:
    """Return the log return from the symbol's previous bar, [T, S]; minus its market's mean when `relative`."""
    result = np.full(bars.close.shape, np.nan)
    for column in range(len(bars.symbols)):
        present = bars.present[:, column]
        result[present, column] = log_returns(np.ascontiguousarray(bars.close[present, column]))
    if not relative:
        return result
    for market, own in each_market(bars):
        cells = result[np.ix_(market.rows, market.columns)]
        spread_out(cells - _mean_over_symbols(cells, own.member)[:, None], market, result)
    return result


def _built_in(bars: Bars, volatility: FloatArray, settings: FeatureSettings) -> dict[str, FloatArray]:
    """Return the built-in features by name, [T, S] or [T, 1] each."""
    if settings.cross_section:  # volumes are compared by `characteristics`, free of their level
        technical = _technical(bars, settings.model_copy(update={"volume_bars": 0}))
        market = _mean_over_symbols(one_bar_returns(bars), bars.member)
        features = cross_section_features(bars, technical, market, settings)
    else:
        features = _technical(bars, settings)
    if settings.characteristics:
        market = _mean_over_symbols(one_bar_returns(bars), bars.member)
        features |= features_over_time(bars, features, market, settings)
    if settings.market_return:
        features["market_return"] = _market_return(bars, volatility)[:, None]
    if settings.cross_section:
        features["market_volatility"] = market_volatility(market, settings.volatility_bars)[:, None]
    return features


def _technical(bars: Bars, settings: FeatureSettings) -> dict[str, FloatArray]:
    """Return the features of each symbol alone by name, [T, S] each."""
    features: dict[str, FloatArray] = {}
    for column in range(len(bars.symbols)):
        for name, feature in _symbol_features(bars, column, settings).items():
            if name not in features:
                features[name] = np.full(bars.close.shape, np.nan)
            features[name][bars.present[:, column], column] = feature
    return features


def _symbol_features(bars: Bars, column: int, settings: FeatureSettings) -> dict[str, FloatArray]:
    present = bars.present[:, column]

    def own(values: FloatArray) -> FloatArray:
        return np.ascontiguousarray(values[present, column])

    return technical_features(
        own(bars.open), own(bars.high), own(bars.low), own(bars.close), own(bars.volume), settings
    )


def _market_return(bars: Bars, volatility: FloatArray) -> FloatArray:
    return np.clip(_mean_over_symbols(one_bar_returns(bars) / volatility, bars.member), -LIMIT, LIMIT)


def _mean_over_symbols(values: FloatArray, member: BoolArray | None) -> FloatArray:
    """Mean over the symbols (members of the universe, where there is one) that have a value, [T]; NaN where none has.

    Summed symbol by symbol, so that a symbol that is not there yet changes no bit of the sum.
    """
    total = np.zeros(len(values))
    count = np.zeros(len(values))
    for number, column in enumerate(values.T):
        there = np.isfinite(column)
        if member is not None:
            there = there & member[:, number]
        total += np.where(there, column, 0.0)
        count += there
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _read_only(values: Float32Array) -> Float32Array:
    values.flags.writeable = False
    return values
