"""Which texts say something that was said before: repeats, retweets, the same release in other words' order.

The first one counts; a later one says that it was said again. Causal: a text is compared with those known before it.
"""

from __future__ import annotations

import re
from collections import deque

import numpy as np

from forewalk.data.columns.texts.texts import TextArray
from forewalk.types import BoolArray, IntArray

DAYS = 3
ALIKE = 90  # rapidfuzz's token_set_ratio from which two texts are one
NEAREST = 200  # texts of a symbol that one is compared with, the newest
SHORTEST = 20  # letters below which only the very same text is a copy: short ones are alike by chance
_US = 24 * 3600 * 10**6


def normalised(text: str) -> str:
    """Return a text without what differs between its copies: case, addresses, mentions, marks, "RT"."""
    text = re.sub(r"https?://\S*|\bwww\.\S*", " ", text.lower())
    text = re.sub(r"^rt\s+@\w+:?|@\w+", " ", text)
    return " ".join(re.sub(r"[^\w$%.]+", " ", text).split())


def is_copy(known_at: IntArray, symbols: TextArray, texts: TextArray) -> BoolArray:
    """Tell which texts repeat one that was known before, about one of the same symbols, within `DAYS`, [N].

    Args:
        known_at: microseconds UTC, ascending. symbols: a tuple for each text. texts: as they are scored.
    """
    from rapidfuzz.fuzz import token_set_ratio

    found = np.zeros(len(texts), bool)
    recent: dict[str, deque[tuple[int, str]]] = {}
    exact: dict[tuple[str, str], int] = {}
    for row, (moment, names, text) in enumerate(zip(known_at.tolist(), symbols, texts, strict=True)):
        plain = normalised(text)
        for name in names or ("",):
            before = recent.setdefault(name, deque(maxlen=NEAREST))
            while before and before[0][0] < moment - DAYS * _US:
                before.popleft()
            last = exact.get((name, plain))
            same = last is not None and last >= moment - DAYS * _US
            if not same and len(plain) >= SHORTEST:
                same = any(
                    len(other) >= SHORTEST and token_set_ratio(plain, other, score_cutoff=ALIKE) >= ALIKE
                    for _, other in before
                )
            found[row] |= same
            if not same:
                before.append((moment, plain))
            exact[name, plain] = moment
    return found
