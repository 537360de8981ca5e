"""The file that fetched texts are appended to: JSON lines, each once, and beside it how far each source got.

Once a fetch has reached the present, what a later one finds is first seen then. What was there before was seen by
nobody of us at the time and gets no `first_seen`. Another wording of a text that is there already, or one about more
symbols, is a row of its own, first seen now whatever its source says of it: before now another one was in hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from forewalk.data.columns.texts.fetching.held import Held
from forewalk.data.columns.texts.polling import state_path, with_poll
from forewalk.data.columns.texts.texts import body_hash
from forewalk.errors import DataError

Row = dict[str, Any]
MOST_LETTERS = 10_000  # of a headline that are kept
MOST_SYMBOLS = 1_000  # of a text that are kept; one about more is about none
SKEW = timedelta(minutes=5)  # by which a source's clock may be ahead of ours
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def row_of(
    name: str,
    headline: str,
    published: datetime | None,
    symbols: Sequence[str],
    source: str,
    kind: str = "news",
    updated: datetime | None = None,
    body: str = "",
) -> Row:
    """Return a text as a row of the file; moments are in UTC, None where the source says none.

    Of the body, which may not be ours to keep, only the hash is.
    """
    row: Row = {"id": name, "published": "" if published is None else published.astimezone(UTC).isoformat()}
    if updated is not None:
        row["updated_at"] = updated.astimezone(UTC).isoformat()
    named = list(dict.fromkeys(symbols))[:MOST_SYMBOLS]
    words = " ".join(headline.split())[:MOST_LETTERS].encode("utf-8", "replace").decode()
    return {
        **row,
        "symbols": named,
        "headline": words,
        "body_hash": body_hash(body),
        "source": source[:200],
        "kind": kind,
    }


class TextStore:
    """The texts of a file, and how far each source was fetched.

    Args:
        path: of the file; a line that was cut off by a kill is taken away.

    Raises:
        DataError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state_path = state_path(path)
        self._held = Held()
        self._newest: dict[str, datetime] = {}
        self._read()
        self._state = self._read_state() if path.exists() else {}  # what is left of a file that is gone

    def newest(self, via: str) -> datetime | None:
        """Return the newest publication that came from a source."""
        return self._newest.get(via)

    def reached(self, via: str) -> bool:
        """Whether the last fetch from a source had reached its present: what is new since is first seen now."""
        return via in self._state.get("complete", {})

    def last_poll(self, via: str) -> datetime | None:
        """Return when a source was last asked for all that it had."""
        spans = self._state.get("polls", {}).get(via)
        return datetime.fromisoformat(spans[-1][1]) if spans else None

    def kept(self, key: str) -> dict[str, Any]:
        """Return what was kept for the next fetch under a key, e.g. a page's ETag."""
        found = self._state.get("kept", {}).get(key, {})
        return dict(found) if isinstance(found, Mapping) else {}

    def keep(self, key: str, values: Mapping[str, Any]) -> None:
        """Keep something for the next fetch."""
        self._state.setdefault("kept", {})[key] = dict(values)
        self._write_state()

    def mark(self, via: str, reached: datetime | None) -> None:
        """Say up to which present a source was fetched; None where it was not."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        complete = self._state.setdefault("complete", {})
        if reached is None:
            complete.pop(via, None)
        else:
            complete[via] = reached.isoformat()
            polls = self._state.setdefault("polls", {})
            polls[via] = with_poll(polls.get(via, ()), reached)
            self.path.touch()
        self._write_state()

    def add(self, rows: Sequence[Row], via: str, now: datetime, seen: bool) -> int:
        """Append the rows that are not there yet, safely on disk; return how many.

        Args:
            now: the present. seen: whether they are first seen now; what is another version of a text that is there
                already always is. A stamp from the future is a clock that is wrong: it is left out, and the text
                counts from now.
        """
        fresh = []
        for row in rows:
            if not row["headline"] or self._held.has(row):
                continue
            told = {**row, "via": via}
            moments = [
                datetime.fromisoformat(told[key]) for key in ("published", "updated_at") if told.get(key)
            ]
            if any(moment > now + SKEW for moment in moments):
                told |= {"published": ""}
                told.pop("updated_at", None)
            if seen or not told["published"] or str(row["id"]) in self._held:
                told["first_seen"] = now.astimezone(UTC).isoformat()
            self._note(told)
            fresh.append(told)
        if fresh:
            self._append(fresh)
        return len(fresh)

    def _note(self, row: Mapping[str, Any]) -> None:
        self._held.note(row)
        via = str(row.get("via", "alpaca"))  # files of before name no source
        if row["published"]:
            published = datetime.fromisoformat(str(row["published"]))
            self._newest[via] = max(published, self._newest.get(via, NEVER))

    def _read(self) -> None:
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        cut_off = content[len(whole) :]
        try:
            for line in whole.splitlines():
                if line.strip():
                    self._note(json.loads(line))
            if cut_off and not cut_off.startswith(b"{"):
                raise ValueError("its last line is no text")
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise DataError(
                f"{self.path}: no file of `forewalk news fetch`: {problem}; choose another --out"
            ) from None
        if cut_off:
            os.truncate(self.path, len(whole))

    def _append(self, rows: Sequence[Row]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with self.path.open("ab") as file:
            file.write(lines.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())

    def _read_state(self) -> dict[str, Any]:
        try:
            found = json.loads(self._state_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if isinstance(found, dict):
            return found
        return (
            {"complete": {"alpaca": ""}} if self._state_path.exists() else {}
        )  # written before there were others

    def _write_state(self) -> None:
        self._state_path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._state_path.with_name(self._state_path.name + ".part")
        unfinished.write_text(json.dumps(self._state, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(self._state_path)
