"""The tone of a text in [-1, 1]: VADER with words of finance that it does not know or takes amiss.

VADER: Hutto & Gilbert (2014), A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text. The words
below are ours, written before any score was seen; no other list of finance words is used.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from forewalk.errors import ConfigError
from forewalk.types import FloatArray

LONGEST = 2_000  # letters that are read of one text
VALENCES: dict[float, str] = {  # of VADER's scale from -4 to 4; its own run from about -3.5 to 3.5
    2.2: "beats beat tops topped outperform outperforms overweight upgrade upgraded upgrades upside bullish rally "
    "rallies rallied surge surges surged soar soars soared",
    1.8: "jumps jumped climbs climbed rises rose gains gained rebound rebounds rebounded breakout",
    1.2: "record raises raised hikes buyback buybacks repurchase dividend approval approved approves wins awarded "
    "expands accretive calls",
    -3.0: "bankruptcy bankrupt insolvent default defaults delisted delisting",
    -2.4: "misses missed underperform underperforms underweight shortfall downgrade downgraded downgrades downside "
    "bearish selloff plunge plunges plunged tumble tumbles tumbled slump slumps slumped",
    -1.8: "sinks sank slides slid falls fell drops dropped declines declined lawsuit sues sued probe investigation "
    "subpoena recall recalls layoffs cuts slashes slashed lowers lowered warns warning halts",
    -1.4: "writedown impairment restatement dilution dilutive offering puts",
    0.0: "share shares interest interests like gross vice matter please party fool motley trust united energy chief "
    "novel",  # of every day, and mean nothing here
}


@functools.cache
def _analyser() -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        raise ConfigError("news needs vaderSentiment and rapidfuzz: pip install 'forewalk[news]'") from None
    made = SentimentIntensityAnalyzer()
    for valence, words in VALENCES.items():
        made.lexicon.update(dict.fromkeys(words.split(), valence))
    return made


def tone(texts: Sequence[str]) -> FloatArray:
    """Return the tone of each text, [N]: -1 the worst, 0 none, 1 the best. Equal texts get equal tones."""
    return np.array([_score(str(text)[:LONGEST]) for text in texts], dtype=np.float64)


@functools.lru_cache(maxsize=2**17)  # the daemon reads the same texts for each decision
def _score(text: str) -> float:
    return float(_analyser().polarity_scores(text)["compound"])
