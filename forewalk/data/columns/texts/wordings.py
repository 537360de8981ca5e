"""Which wording of a text counts: each symbol knows a text once, as it was worded when it was first known to name it.

What a source corrects later is a version of its own: kept, numbered and shown beside the first one, but not counted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forewalk.data.columns.texts.texts import Texts, weights


def numbered(texts: Texts) -> Texts:
    """Return every wording once, numbered from 0 under its id.

    Rows of one wording and one moment, one for each symbol, are one text about all of them; it counts for each what
    a text about so many does.

    Args:
        texts: in the order of `known_at`.
    """
    place: dict[tuple[object, ...], int] = {}
    seen: dict[object, int] = {}
    symbols, version, kept = texts.symbols.copy(), np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    for row, name in enumerate(texts.id):
        wording = (name, texts.headline[row], texts.body_hash[row], int(texts.known_at[row]))
        first = place.setdefault(wording, row)
        kept[row] = first == row
        if first != row:
            symbols[first] = tuple(dict.fromkeys((*symbols[first], *symbols[row])))
            continue
        version[row] = seen.get(name, -1) + 1
        seen[name] = int(version[row])
    sizes = np.array([len(names) for names in symbols], dtype=np.int64)
    return replace(texts, symbols=symbols, version=version, weight=weights(sizes)).keep(kept)


def first_wordings(texts: Texts) -> tuple[Texts, int]:
    """Return what counts, and how many later wordings do not.

    A later version counts for symbols that none before it named, from when it is known and as it is worded then.

    Args:
        texts: see `numbered`.
    """
    told: dict[object, set[str]] = {}
    first: dict[object, tuple[object, object]] = {}
    symbols, kept, amended = texts.symbols.copy(), np.zeros(len(texts), bool), 0
    for row, name in enumerate(texts.id):
        words = (texts.headline[row], texts.body_hash[row])
        amended += first.setdefault(name, words) != words
        before = told.setdefault(name, set())
        symbols[row] = tuple(symbol for symbol in symbols[row] if symbol not in before)
        kept[row] = texts.version[row] == 0 or bool(symbols[row])
        before.update(symbols[row])
    return replace(texts, symbols=symbols).keep(kept), amended


def later_wordings(wordings: Texts, name: object, version: int) -> list[int]:
    """Return the rows of other wordings of a text than that of one of its versions, which were known after it."""
    own = np.flatnonzero(wordings.id == name)
    words = {int(wordings.version[row]): (wordings.headline[row], wordings.body_hash[row]) for row in own}
    later = {number: told for number, told in words.items() if number > version and told != words[version]}
    return [int(row) for row in own if int(wordings.version[row]) in later]
