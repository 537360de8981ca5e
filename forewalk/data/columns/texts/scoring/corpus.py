"""Texts as counts of words and pairs of words, tickers and given names masked.

Unmasked, a learner remembers which company did well instead of what was said.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from forewalk.data.columns.texts.copies import normalised
from forewalk.data.columns.texts.texts import TextArray
from forewalk.types import IntArray

BUCKETS = 2**15  # into which words and pairs are hashed
TICKER = "tickername"
_CASHTAG = re.compile(r"\$[a-z][a-z0-9.]*")
_NUMBER = re.compile(r"\d[\d.,]*")
_WORD = re.compile(r"[^\W\d_]{2,}|%")


@dataclass(frozen=True, eq=False)
class Corpus:
    """U distinct texts as counts.

    Attributes:
        counts: of words and pairs of neighbours, by hash, [U, BUCKETS].
        kind: of the learner, "ridge" or "logistic". least: texts with an outcome that it needs.
    """

    counts: csr_array
    kind: str
    least: int

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of all that a score depends on."""
        found = hashlib.sha256(self.kind.encode())
        for values in (self.counts.indptr, self.counts.indices, self.counts.data):
            found.update(np.ascontiguousarray(values).tobytes())
        return found.digest()


def corpus_of(
    headlines: TextArray, symbols: TextArray, names: Mapping[str, str], kind: str, least: int
) -> tuple[Corpus, IntArray]:
    """Return the distinct masked texts, and which of them each text is, [N]."""
    from sklearn.feature_extraction.text import HashingVectorizer

    place: dict[str, int] = {}
    spoken = {symbol: spelling(symbol, names) for symbol in {name for each in symbols for name in each}}
    which = [
        place.setdefault(masked(text, [spoken[name] for name in named]), len(place))
        for text, named in zip(headlines, symbols, strict=True)
    ]
    vectors = HashingVectorizer(
        n_features=BUCKETS, norm=None, alternate_sign=False, lowercase=False, analyzer=_terms
    )
    counts = csr_array(vectors.transform(list(place)) if place else (0, BUCKETS))
    return Corpus(counts, kind, least), np.array(which, dtype=np.int64)


def masked(text: str, spellings: Sequence[re.Pattern[str]]) -> str:
    """Return a normalised text in which cashtags, what is spelled so, and numbers are one word each."""
    plain = _NUMBER.sub(" 0 ", _CASHTAG.sub(f" {TICKER} ", normalised(text)))
    for said in spellings:
        plain = said.sub(TICKER, plain)
    return plain


def spelling(symbol: str, names: Mapping[str, str]) -> re.Pattern[str]:
    """Return how a symbol is written in normalised texts: by itself, or by one of its given names."""
    given = [normalised(name) for name in names.get(symbol, "").split("|")]
    found = sorted({name for name in (*given, normalised(symbol)) if name}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, found)) or '(?!)'})(?!\w)")


def _terms(text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    yield from words
    yield from (f"{one} {two}" for one, two in itertools.pairwise(words))
