"""What two or more runs were made from, and where that is not the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.compare.side import Side
from forewalk.settings.loading import dotted

Kind = Literal["setting", "feature", "data", "code"]
SEED = "seed"
SHOWN_DIGITS = 12  # of a hash
# What changes no result; the fingerprint answers for the data, wherever they came from.
NO_RESULT = (
    *("name", "jobs", "executor", "address", "plugins", "live.", "risk."),
    *("data.path", "data.source", "data.cache"),
)


@dataclass(frozen=True)
class Difference:
    """One thing that the runs do not have in common.

    Attributes:
        kind: a setting, a feature that the model sees, the data, or code.
        key: what it is: `strategy.entry`, `feature ema_distance_10`, `symbols`, ...
        values: of each run, in their order.
    """

    kind: Kind
    key: str
    values: tuple[Any, ...]


def differences(sides: Sequence[Side]) -> tuple[Difference, ...]:
    """Return everything that can change a result and is not the same in all runs: settings, features, data, code."""
    return (*_settings(sides), *_features(sides), *_data(sides), *_code(sides))


def only_the_seed(found: Sequence[Difference]) -> bool:
    """Whether the runs differ in the seed and in nothing else."""
    return bool(found) and all(each.kind == "setting" and each.key == SEED for each in found)


def _differs(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values[1:])


def _settings(sides: Sequence[Side]) -> Iterator[Difference]:
    trees = [dotted(side.settings.model_dump(mode="json")) for side in sides]
    for key in sorted(set().union(*trees)):
        values = tuple(tree.get(key) for tree in trees)
        if _differs(values) and not key.startswith(NO_RESULT):
            yield Difference("setting", key, values)


def _features(sides: Sequence[Side]) -> Iterator[Difference]:
    """Yield what only some of the models see; runs of which that is not known are left alone."""
    if not all(side.features for side in sides):
        return
    for name in dict.fromkeys(name for side in sides for name in side.features):
        values = tuple(name in side.features for side in sides)
        if _differs(values):
            yield Difference("feature", name, values)


def _data(sides: Sequence[Side]) -> Iterator[Difference]:
    fingerprints = tuple(side.data_fingerprint[:SHOWN_DIGITS] for side in sides)
    if not _differs(fingerprints):
        return
    yield Difference("data", "bars", fingerprints)
    for key, values in (
        ("symbols", tuple(list(side.symbols) for side in sides)),
        ("source", tuple(side.settings.data.source for side in sides)),
        ("first forecast", tuple(_day(side, 0) for side in sides)),
        ("last forecast", tuple(_day(side, 1) for side in sides)),
    ):
        if _differs(values):
            yield Difference("data", key, values)


def _code(sides: Sequence[Side]) -> Iterator[Difference]:
    named = sorted(set().union(*(side.own_code for side in sides)))
    for name in named:
        # one that a run does not use at all is told by its settings
        hashes = [side.own_code[name] for side in sides if name in side.own_code]
        if _differs(hashes):
            yield Difference(
                "code",
                f"source of {name}",
                tuple(side.own_code.get(name, "")[:SHOWN_DIGITS] for side in sides),
            )
    programs = tuple(side.code for side in sides)
    if None not in programs and _differs(programs):
        shown = tuple(str(program)[:SHOWN_DIGITS] for program in programs)
        yield Difference("code", "version of the program", shown)


def _day(side: Side, end: int) -> str | None:
    return None if side.span is None else f"{side.span[end]:%Y-%m-%d}"
