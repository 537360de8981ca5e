"""Which texts say something that was said before: repeats, retweets, the same release in other words' order.

The first one counts; a later one says that it was said again. Causal: a text is compared with those known before it.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Sequence

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

    The last answer is remembered: where more texts follow the same ones, as in a daemon, only those are looked at.

    Args:
        known_at: microseconds UTC, ascending. symbols: a tuple for each text. texts: as they are scored.
    """
    global _last
    moments, whole = known_at.tolist(), _Digests(known_at, symbols, texts)
    last = _last
    if not (last and len(last.flags) <= len(texts) and whole.of(len(last.flags)) == last.digest):
        last = _Copies()
    _last = None  # while it is changed; whoever asks meanwhile begins anew
    for row in range(len(last.flags), len(texts)):
        last.flags.append(last.repeats(moments[row], symbols[row], normalised(texts[row])))
    last.digest = whole.of(len(texts))
    found = np.array(last.flags, dtype=bool)
    _last = last
    return found


class _Digests:
    """Hashes of the first texts."""

    def __init__(self, known_at: IntArray, symbols: TextArray, texts: TextArray) -> None:
        self._all = known_at, symbols, texts

    def of(self, count: int) -> bytes:
        """Return the hash of the first `count` texts and all that is asked of them."""
        known_at, symbols, texts = self._all
        digest = hashlib.sha256(known_at[:count].tobytes())
        for names, text in zip(symbols[:count], texts[:count], strict=True):
            told = "\x1f".join(("\x1e".join(names), text))
            digest.update(told.encode("utf-8", "surrogatepass") + b"\x1d")
        return digest.digest()


class _Copies:
    """What has been said of each symbol within `DAYS`; and of the texts so far, which were copies.

    Attributes:
        flags: of the texts so far. digest: of them.
    """

    def __init__(self) -> None:
        self.flags: list[bool] = []
        self.digest = b""
        self._recent: dict[str, deque[tuple[int, str]]] = {}
        self._exact: dict[tuple[str, str], int] = {}

    def repeats(self, moment: int, names: Sequence[str], plain: str) -> bool:
        """Take in one more text, and tell whether it repeats one of before."""
        found = False
        for name in names or ("",):
            found |= self._repeats(moment, name, plain)
        return found

    def _repeats(self, moment: int, name: str, plain: str) -> bool:
        from rapidfuzz.fuzz import token_set_ratio
        from rapidfuzz.process import extractOne

        before = self._recent.setdefault(name, deque(maxlen=NEAREST))
        while before and before[0][0] < moment - DAYS * _US:
            before.popleft()
        last = self._exact.get((name, plain))
        same = last is not None and last >= moment - DAYS * _US
        if not same and len(plain) >= SHORTEST:
            long = [other for _, other in before if len(other) >= SHORTEST]
            same = extractOne(plain, long, scorer=token_set_ratio, score_cutoff=ALIKE) is not None
        if not same:
            before.append((moment, plain))
        self._exact[name, plain] = moment
        return same


_last: _Copies | None = None
