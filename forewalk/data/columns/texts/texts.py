"""Texts with the moment at which each was known, and the only view that the past has of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from forewalk.data.columns.rows import NO_TIME
from forewalk.types import BoolArray, FloatArray, IntArray

TextArray = npt.NDArray[np.object_]
NEWS, SOCIAL = "news", "social"


@dataclass(frozen=True, eq=False)
class Texts:
    """N texts in the order in which they were known; a text about several symbols is one text.

    Attributes:
        id: what the source calls each, or a hash of it [N]. version: 0 for the first text under an id [N].
        symbols: of each text, upper case, in its own order [N]. weight: of each of its symbols [N].
        published: when the source says it was written, microseconds UTC [N]; NO_TIME where it does not say.
        first_seen: when it was first held in hand [N]; NO_TIME for what was collected afterwards.
        known_at: when it may be used from [N]; see `known_moments`.
        headline: what is scored [N]. body_hash: SHA-256 of what stands below it, "" where that is not told [N].
        kind: "news" or "social" [N]. source: its maker [N].
        backfilled: whether `known_at` is a guess from `published` [N].
    """

    id: TextArray
    version: IntArray
    symbols: TextArray
    weight: FloatArray
    published: IntArray
    first_seen: IntArray
    known_at: IntArray
    headline: TextArray
    body_hash: TextArray
    kind: TextArray
    source: TextArray
    backfilled: BoolArray

    def __len__(self) -> int:
        return len(self.id)

    def keep(self, rows: BoolArray | IntArray) -> Texts:
        """Return the texts of a mask or of positions."""
        return replace(self, **{name: values[rows] for name, values in self.__dict__.items()})

    def until(self, moment: pd.Timestamp) -> Texts:
        """Return what was known at a moment: the only view of the past. Later amendments are not in it."""
        return self.keep(self.known_at <= moment.value // 1000)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of every text, symbol and moment: of all that can change a run, so of no body."""
        digest = hashlib.sha256()
        for row in range(len(self)):
            symbols = "\x1f".join(self.symbols[row])
            parts = (self.id[row], self.version[row], symbols, self.known_at[row], self.headline[row])
            digest.update("\x1e".join(map(str, parts)).encode("utf-8", "surrogatepass") + b"\x1d")
        return digest.hexdigest()


def known_moments(
    published: IntArray, first_seen: IntArray, updated: IntArray, lag_us: int
) -> tuple[IntArray, BoolArray]:
    """Return when each text was known, and whether that is a guess, [N].

    `max(published, first_seen)` where it was seen. What was collected afterwards was seen by nobody then: it is known
    `lag_us` after its publication, or after its last change, since what is handed out today is the changed text.
    NO_TIME where neither is known.
    """
    seen = first_seen != NO_TIME
    written = np.maximum(published, updated)  # NO_TIME is the smallest number
    guess = np.where(written == NO_TIME, NO_TIME, written + lag_us)
    return np.where(seen, np.maximum(published, first_seen), guess), ~seen & (written != NO_TIME)


def body_hash(body: str) -> str:
    """Return the SHA-256 of a body, however its words are spaced; "" of none."""
    words = " ".join(body.split())
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest() if words else ""


def weights(counts: IntArray, most: int = 5) -> FloatArray:
    """Return what a text counts for each of its symbols: 1, or 1/n where it names more than `most` of them."""
    return np.where(counts > most, 1.0 / np.maximum(counts, 1), 1.0)
