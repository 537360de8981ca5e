"""What a file was understood as, and what was refused and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.report.wording import words

CALENDARS = {
    "XNYS": "the New York exchange",
    "24/7": "a market that never closes",
    "FX": "the currency market",
}
LENGTHS = {"1d": "a day", "1wk": "a week", "1mo": "a month", "1h": "an hour"}
SHOWN = 12
ASKED = ("data.date_format", "data.decimal")  # settings that a person may be asked for, a button an answer
MOST_UNPACKED = 256_000_000  # bytes of a file that is looked at in the memory of the server


@dataclass(frozen=True)
class Understood:
    """The screen of a file.

    Attributes:
        usable: whether a run could use it. sentence: the first, in words. remedy: where it is refused.
        question: what only a person can decide, "" for nothing. setting: that decides it.
        answers: (value of the setting, what it means), one button each.
        symbols: (name, first day, last day, last price, rows). warnings: what was dropped, repaired or noted.
    """

    usable: bool
    sentence: str
    remedy: str
    symbols: tuple[tuple[str, str, str, str, str], ...]
    warnings: tuple[str, ...]
    question: str = ""
    setting: str = ""
    answers: tuple[tuple[str, str], ...] = ()


def understood(path: Path, given: Mapping[str, str] | None = None) -> Understood:
    """Look at a file without running anything.

    Args:
        given: what a person has said of it, of the settings in `ASKED`.

    Raises:
        ConfigError: that is no value of the setting.
    """
    from forewalk.data.checking import check
    from forewalk.data.formats.containers import unpacking_at_most
    from forewalk.settings.loading import load_settings

    told = {"data.source": "files", "data.path": str(path), **(given or {})}
    with unpacking_at_most(MOST_UNPACKED):
        found = check(load_settings(overrides=told, environment={}).data).to_dict()
    warnings = tuple(str(line) for line in found["warnings"])
    if "question" in found:
        return _asked(found["question"], warnings)
    if "error" in found:
        return Understood(False, str(found["error"]), str(found["remedy"]), (), warnings)
    symbols = tuple(
        (
            name,
            str(entry["first"])[:10],
            str(entry["last"])[:10],
            "" if entry["last_close"] is None else words.price(float(entry["last_close"])),
            f"{entry['rows']:,}",
        )
        for name, entry in list(found["symbols"].items())[:SHOWN]
    )
    count = len(found["symbols"])
    length = LENGTHS.get(found["interval"], found["interval"])
    market = CALENDARS.get(found["calendar"], found["calendar"])
    what = (
        f"{found['rows']:,} prices of {symbols[0][0]}"
        if count == 1
        else f"{found['rows']:,} prices of {count} symbols"
    )
    return Understood(
        True,
        f"This is understood as {what}, one for {length}, from {market} (format: {found['format']}).",
        "",
        symbols,
        warnings,
    )


def _asked(question: dict[str, Any], warnings: tuple[str, ...]) -> Understood:
    """Return the screen of a file that can be read in several ways."""
    answers = tuple((each["value"], each["means"]) for each in question["answers"])
    ways = " or ".join(means for _, means in answers)
    said = f"{question['example']} can be {ways}, and nothing else in the file decides. Which is it?"
    return Understood(False, said, "", (), warnings, said, question["setting"], answers)
