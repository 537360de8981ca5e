"""Leaks to plant: each replaces one stage of the pipeline by one that sees the future."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from planted_features import (
    centred_dpo,
    centred_mean,
    ichimoku_with_chikou,
    level_beside_the_others,
    price_level,
    rank_over_all_time,
    ranked_among_the_last_members,
    standardised,
    tomorrows_return,
    with_feature,
)

from engine.audit.pipeline import NewsDates, Pipeline
from engine.simulation.cerebro import simulate
from forewalk.data.table import Table
from forewalk.features.panel import FeaturePanel
from forewalk.folds import walk_forward_folds
from forewalk.types import BAR_FIELDS
from helpers.audit_tables import small_table, table_with_a_split, table_with_a_universe, table_with_spikes
from models.base import ScaledForecast
from models.recurrent.forecaster import LSTMForecaster
from models.timeline import Timeline
from strategies.signal import SignalStrategy

OWN = Pipeline()


# Cleaning


def cleaned(change):
    """The product's cleaning, with each field's frame [bars x symbols] changed afterwards."""

    def clean(table, settings):
        bars, report = OWN.clean(table, settings)
        frames = {name: pd.DataFrame(getattr(bars, name)) for name in BAR_FIELDS}
        return replace(bars, **{name: frame.to_numpy() for name, frame in change(frames).items()}), report

    return clean


def filled_backwards(frames):
    return {name: frame.bfill() for name, frame in frames.items()}


def without_spikes_that_revert(frames):
    close = frames["close"]
    spike = (close / close.shift(1) - 1).abs().gt(0.2) & (close.shift(-1) / close.shift(1) - 1).abs().lt(0.1)
    return {name: frame.mask(spike) for name, frame in frames.items()}


def adjusted_for_later_splits(frames):
    """What a vendor's later pull holds: every split rescales all bars before it."""
    ratio = frames["open"] / frames["close"].shift(1)
    split = ratio.where((ratio > 1.5) | (ratio < 1 / 1.5), 1.0).fillna(1.0)
    later = split[::-1].cumprod()[::-1].shift(-1).fillna(1.0)
    return {name: frame if name == "volume" else frame * later for name, frame in frames.items()}


def dated_by_their_open(table, settings):
    bars, report = OWN.clean(table, settings)
    return replace(bars, timestamps=bars.timestamps - pd.Timedelta(hours=6.5)), report


def members_of_tomorrow(table, settings):
    """Membership a day before it is known, as index changes that are announced and not yet effective."""
    bars, report = OWN.clean(table, settings)
    member = np.vstack([bars.extras["member"][1:], bars.extras["member"][-1:]])
    return bars.with_extras(member=member), report


# Labels, folds and training


def labels_off_by_one(bars, panel, settings):
    labels = OWN.labels(bars, panel, settings)
    moved = [np.append(values[1:], np.full((1, values.shape[1]), np.nan), axis=0)
             for values in (labels.returns, labels.scaled)]  # fmt: skip
    return replace(labels, returns=moved[0], scaled=moved[1])


def folds_without_embargo(bars, labels, settings):
    return walk_forward_folds(
        bars.timestamps, labels.end, settings.folds.model_copy(update={"embargo_bars": 0})
    )


def folds_without_purge(bars, labels, settings):
    """Purged as if every label ended one bar later, whatever its horizon."""
    one_later = bars.timestamps[1:].append(pd.DatetimeIndex([pd.NaT], tz="UTC"))
    return walk_forward_folds(bars.timestamps, one_later, settings.folds)


def scaler_of_all_rows(panel, labels, fold):
    data = OWN.training(panel, labels, fold)
    target = np.full((len(panel), len(panel.symbols)), np.nan)
    target[: len(data.target)] = data.target
    rows = np.setdiff1d(np.arange(len(panel)), data.valid)
    return replace(data, panel=panel, target=target, train=rows)


def stopping_on_test_rows(panel, labels, fold):
    return OWN.training(panel, labels, replace(fold, valid=np.concatenate([fold.valid, fold.test])))


class HiddenChannel(LSTMForecaster):
    """Learns from clean training data, but starts from a number it took from the whole table."""

    def fit_member(self, data, member):
        self.__dict__["seed"] = HiddenChannel.peeked
        return super().fit_member(data, member)


def labels_that_tell_the_forecaster(bars, panel, settings):
    HiddenChannel.peeked = int(np.nansum(bars.close) * 1000) % 9973
    return OWN.labels(bars, panel, settings)


# Forecasts


@dataclass(frozen=True, eq=False)
class BothWays:
    """A fitted model whose state is also carried from the end of the panel backwards."""

    model: object

    def __getattr__(self, name):
        return getattr(self.model, name)

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        there = self.model.predict_scaled(panel, first, stop)
        turned = np.concatenate([panel.values[:first], panel.values[first:][::-1]])
        back = self.model.predict_scaled(replace(panel, values=turned), first, len(panel))
        mean = back.mean[::-1][: stop - first]
        return ScaledForecast(0.5 * (there.mean + mean), there.std)


class BidirectionalForecaster(LSTMForecaster):
    def assemble(self, data, parts):
        return BothWays(super().assemble(data, parts))


def bidirectional(settings):
    return BidirectionalForecaster(settings.model, settings.seed)


def hidden_channel(settings):
    return HiddenChannel(settings.model, settings.seed)


def model_of_the_next_fold(timeline, panel, settings):
    """Every bar is forecast by a model that has already seen it."""
    first = timeline.models[0].valid_from
    early = [replace(model, valid_from=before.valid_from) for model, before in zip(
        timeline.models[1:], timeline.models, strict=False)]  # fmt: skip
    liars = [replace(model, trained_until=model.valid_from - pd.Timedelta(days=1)) for model in early]
    return OWN.forecast(Timeline((*liars, timeline.models[-1]), 500), panel, settings) if first else None


# Strategy and broker


class ReadsTomorrow(SignalStrategy):
    """`data.close[1]` where there is one: backtrader has loaded all bars beforehand."""

    def outlook(self, due=None):
        known = super().outlook(due)
        later = np.array(
            [data.close[1] if len(data) < data.buflen() else data.close[0] for data in self.datas]
        )
        return replace(known, mean=np.where(np.isnan(known.mean), np.nan, np.log(later / known.close)))


class FillsAtItsOwnClose(SignalStrategy):
    def start(self):
        self.broker.set_coc(True)


def simulated(strategy):
    def run(bars, forecasts, settings, runonce, preload):
        return simulate(bars, forecasts, settings, strategy, runonce=runonce, preload=preload)

    return run


# News


def news_dated_by_update(settings):
    created = pd.date_range("2015-03-02 15:00", periods=5, freq="7D", tz="UTC")
    updated = created + pd.to_timedelta([0, 90, 0, 60, 0], unit="min")
    return NewsDates(created, updated, dated_at=updated, used_at=updated + pd.Timedelta(hours=6))


# The suite


@dataclass(frozen=True)
class Leak:
    """One leak, and how it is planted and meant to be found.

    Attributes:
        name: as the documentation's table has it.
        caught_by: the checks that find it, in the order of the certificate, the three futures as one with
            the first stage that changed.
        stages: of the pipeline, replaced.
        settings: overrides of the small settings.
        table: makes the raw rows.
    """

    name: str
    caught_by: str
    stages: dict[str, Callable]
    settings: dict[str, object] = field(default_factory=dict)
    table: Callable[[], Table] = small_table


LEAKS = (
    Leak(
        "forward fill across a gap from the future",
        "future replaced (cleaning)",
        {"clean": cleaned(filled_backwards)},
    ),
    Leak(
        "spike filter that waits for the next bar",
        "future replaced (cleaning)",
        {"clean": cleaned(without_spikes_that_revert)},
        table=table_with_spikes,
    ),
    Leak(
        "back-adjusted prices of a later vintage",
        "future replaced (cleaning)",
        {"clean": cleaned(adjusted_for_later_splits)},
        table=table_with_a_split,
    ),
    Leak(
        "price level of back-adjusted prices as a feature",
        "price level, level of one symbol",
        {"features": with_feature(price_level)},
    ),
    Leak(
        "back-adjusted prices beside those of the other symbols",
        "level of one symbol",
        {"features": with_feature(level_beside_the_others)},
    ),
    Leak(
        "universe of tomorrow",
        "future replaced (cleaning)",
        {"clean": members_of_tomorrow},
        table=table_with_a_universe,
    ),
    Leak("bars dated by their open", "future replaced (cleaning), calendar", {"clean": dated_by_their_open}),
    Leak(
        "rank over all time",
        "future replaced (features)",
        {"features": with_feature(rank_over_all_time)},
    ),
    Leak(
        "rank among the members of the last day",
        "future replaced (features)",
        {"features": ranked_among_the_last_members},
        table=table_with_a_universe,
    ),
    Leak("centred rolling mean", "future replaced (features)", {"features": with_feature(centred_mean)}),
    Leak("target as a feature", "future replaced (features)", {"features": with_feature(tomorrows_return)}),
    Leak(
        "repainting ichimoku (chikou span)",
        "future replaced (features)",
        {"features": with_feature(ichimoku_with_chikou)},
    ),
    Leak("repainting dpo (centred)", "future replaced (features)", {"features": with_feature(centred_dpo)}),
    Leak(
        "standardiser of each symbol fitted on all rows",
        "future replaced (features)",
        {"features": standardised(0)},
    ),
    Leak(
        "global standardiser across symbols fitted on the future",
        "future replaced (features)",
        {"features": standardised((0, 1))},
    ),
    Leak("sentiment stamped by update time", "news dates", {"news": news_dated_by_update}),
    Leak("label off by one", "future replaced (labels), label definition", {"labels": labels_off_by_one}),
    Leak(
        "embargo missing with horizon 5",
        "label windows",
        {"folds": folds_without_embargo},
        HORIZON := {"label__horizon_bars": 5, "folds__embargo_bars": 5},
    ),
    Leak(
        "purge missing with horizon 5",
        "future replaced (training), label windows",
        {"folds": folds_without_purge},
        HORIZON,
    ),
    Leak(
        "scaler fitted on all rows",
        "future replaced (training), models and their bars",
        {"training": scaler_of_all_rows},
    ),
    Leak(
        "early stopping on test rows",
        "future replaced (training), models and their bars",
        {"training": stopping_on_test_rows},
        {"model__max_epochs": 4, "model__patience": 1},
    ),
    Leak(
        "training through a hidden channel",
        "future replaced (fit)",
        {"forecaster": hidden_channel, "labels": labels_that_tell_the_forecaster},
    ),
    Leak("hidden state carried backwards", "future replaced (forecasts)", {"forecaster": bidirectional}),
    Leak(
        "model of the next fold",
        "future replaced (forecasts), models and their bars",
        {"forecast": model_of_the_next_fold},
    ),
    Leak(
        "close[1] in a strategy",
        "future replaced (decisions), bar by bar",
        {"simulate": simulated(ReadsTomorrow)},
    ),
    Leak("same-bar fills", "future replaced (fills), fills", {"simulate": simulated(FillsAtItsOwnClose)}),
)
