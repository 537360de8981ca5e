"""Features that see the future, and one that tells the level of a price."""

from dataclasses import replace

import numpy as np
import pandas as pd

from engine.audit.pipeline import Pipeline

OWN = Pipeline()


def with_feature(compute):
    """The product's features and one more, computed from the closes [bars x symbols]."""

    def features(bars, settings):
        panel = OWN.features(bars, settings)
        extra = np.nan_to_num(np.asarray(compute(pd.DataFrame(bars.close)), np.float64))
        values = np.concatenate([panel.values, extra[:, :, None].astype(np.float32)], axis=2)
        values[np.isnan(panel.values[:, :, 0])] = np.nan
        return replace(panel, names=(*panel.names, "planted"), values=values)

    return features


def centred_mean(close):
    return np.log(close / close.rolling(5, center=True).mean())


def tomorrows_return(close):
    return np.log(close.shift(-1) / close)


def ichimoku_with_chikou(close):
    """The lagging span as charts draw it: today's close, 26 bars back."""
    return np.log(close.shift(-26) / close)


def centred_dpo(close, bars=20):
    """Detrended price oscillator moved back by half its span, as charts draw it."""
    shift = bars // 2 + 1
    return ((close.shift(shift) - close.rolling(bars).mean()) / close).shift(-shift)


def price_level(close):
    return close / 100.0


def rank_over_all_time(close):
    """Where a return stands among all of its symbol's, those to come included."""
    return close.pct_change().rank(pct=True)


def level_beside_the_others(close):
    """Price over the mean of the symbols of a bar: a common factor leaves it, one symbol's own does not."""
    return np.log(close).sub(np.log(close).mean(axis=1), axis=0)


def ranked_among_the_last_members(bars, settings):
    """Returns ranked over the symbols that belong to the universe on the last day there is."""
    last = np.broadcast_to(bars.member[-1], bars.close.shape)
    ranks = pd.DataFrame(bars.close).pct_change().where(last).rank(axis=1)
    return with_feature(lambda _: ranks)(bars, settings)


def standardised(axes):
    """All features divided by their standard deviation over all rows, the future ones included."""

    def features(bars, settings):
        panel = OWN.features(bars, settings)
        mean = np.nanmean(panel.values, axis=axes, keepdims=True)
        return replace(
            panel, values=(panel.values - mean) / np.nanstd(panel.values, axis=axes, keepdims=True)
        )

    return features
