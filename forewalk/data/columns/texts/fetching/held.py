"""What a file of fetched texts holds already: under each id its wordings and the symbols that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

MOST_VERSIONS = 20  # of a text that are kept: some sources count their readers in it


@dataclass
class _Text:
    words: set[bytes] = field(default_factory=set)  # headlines
    wordings: set[bytes] = field(default_factory=set)  # and what stands below them
    symbols: set[str] = field(default_factory=set)
    rows: int = 0


class Held:
    """The wordings of texts by their ids, as hashes."""

    def __init__(self) -> None:
        self._texts: dict[str, _Text] = {}

    def __contains__(self, name: str) -> bool:
        """Whether any wording of a text is held."""
        return name in self._texts

    def has(self, row: Mapping[str, Any]) -> bool:
        """Whether a row says nothing new: its wording is held, and so are its symbols.

        Where either says nothing of a body, the headline alone tells. Of a text that changes for ever no more than
        `MOST_VERSIONS` are wanted.
        """
        text = self._texts.get(str(row["id"]))
        if text is None:
            return False
        if text.rows >= MOST_VERSIONS:
            return True
        words, wording = _hashes(row)
        bare = wording == words or words in text.wordings
        held = words in text.words if bare else wording in text.wordings
        return held and text.symbols.issuperset(row.get("symbols", ()))

    def note(self, row: Mapping[str, Any]) -> None:
        """Hold a row."""
        text = self._texts.setdefault(str(row["id"]), _Text())
        words, wording = _hashes(row)
        text.words.add(words)
        text.wordings.add(wording)
        text.symbols.update(row.get("symbols", ()))
        text.rows += 1


def _hashes(row: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return a headline's hash, and that of headline and body: the same one where the body is not told."""
    words = blake2b(str(row["headline"]).encode("utf-8", "surrogatepass"), digest_size=8)
    head, body = words.digest(), str(row.get("body_hash") or "")
    if body:
        words.update(b"\x1f" + body.encode("utf-8", "surrogatepass"))
    return head, words.digest()
