"""Which settings a sweep tries: axes such as `strategy.entry=0:0.2:0.01`, and every combination of their values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from forewalk.errors import ConfigError, UsageError
from forewalk.settings.base import OWN_NAME
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings

SECTIONS = ("strategy", "execution")  # whatever else would need new forecasts
MAX_SETTINGS = 200_000

_DEFAULTS = {
    "per_symbol": (
        "strategy.entry=0:0.2:0.01",
        "strategy.min_hold_bars=0:20:1",
        "strategy.exit=-0.1:0.05:0.05",
    ),
    "cross_section": ("strategy.top=1:20:1", "strategy.hysteresis=0:20:2", "strategy.min_hold_bars=0:20:5"),
}
_SIZES = (
    "strategy.target_volatility=0.05:0.3:0.01",
    "strategy.trade_band=0:0.2:0.05",
    "strategy.tilt=0:1:0.1",
)
_ENTRIES = frozenset(f"strategy.{name}" for name in ("entry", "exit", "min_hold_bars"))


@dataclass(frozen=True)
class Axis:
    """One setting that is varied, e.g. "strategy.entry", and its values in order, no two the same."""

    key: str
    values: tuple[Any, ...]


def default_axes(settings: Settings) -> tuple[Axis, ...]:
    """Return what is varied where nothing is asked for: the thresholds, the ranks, or sizes where all is held."""
    return tuple(parse_axis(text) for text in default_texts(settings))


def default_texts(settings: Settings) -> tuple[str, ...]:
    """Return `default_axes` as they would be written: `KEY=FIRST:LAST:STEP`, one text an axis."""
    strategy = settings.strategy
    return _SIZES if strategy.always_held else _DEFAULTS[strategy.kind]


def parse_axis(text: str) -> Axis:
    """Read `KEY=FIRST:LAST:STEP` (both ends included) or `KEY=A,B,C`.

    Raises:
        UsageError: it is neither.
        ConfigError: the key is outside `strategy` and `execution`.
    """
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not values:
        raise UsageError(f"--vary {text!r}: write it as strategy.entry=0:0.2:0.01 or strategy.top=5,10,20")
    parts = [part.strip() for part in values.split(",")]
    is_range = ":" in values and not any(OWN_NAME.fullmatch(part) for part in parts)  # `module:Name` is none
    return make_axis(key, _span(text, values) if is_range else [_value(part) for part in parts])


def make_axis(key: str, values: Iterable[Any]) -> Axis:
    """Return the axis of a setting and the values to try; ConfigError outside `strategy` and `execution`."""
    if key.partition(".")[0] not in SECTIONS:
        raise ConfigError(
            f"--vary {key}: only strategy.* and execution.* can be varied on stored forecasts; "
            "anything else needs a new backtest"
        )
    return Axis(key, tuple(dict.fromkeys(values)))


def grid_settings(base: Settings, axes: Sequence[Axis]) -> list[Settings]:
    """Return `base` with every combination of the axes' values, the last axis fastest.

    Raises:
        ConfigError: a key or value that the settings refuse.
        UsageError: an axis twice, none at all, or more than 200,000 combinations; or thresholds where all is held.
    """
    keys = [axis.key for axis in axes]
    if not keys or len(set(keys)) != len(keys):
        raise UsageError(
            f"each setting can be varied once, and one must be; given: {', '.join(keys) or 'none'}"
        )
    idle = sorted(_ENTRIES.intersection(keys))
    if base.strategy.always_held and idle and "strategy.always_held" not in keys:
        raise UsageError(
            f"--vary {idle[0]}: every symbol is always held in this run, so that it changes nothing; add --vary "
            "strategy.always_held=false --vary strategy.sizing=fixed_fraction, or vary strategy.target_volatility"
        )
    count = math.prod(len(axis.values) for axis in axes)
    if count > MAX_SETTINGS:
        raise UsageError(f"{count:,} combinations are too many; {MAX_SETTINGS:,} is the limit: vary less")
    tree = base.model_dump(mode="python")
    grid = []
    for values in itertools.product(*(axis.values for axis in axes)):
        changed = {**tree, **{section: dict(tree[section]) for section in SECTIONS}}
        for key, value in zip(keys, values, strict=True):
            section, _, name = key.partition(".")
            changed[section][name] = value
        grid.append(settings_from(changed, source="--vary"))
    return grid


def setting(settings: Settings, key: str) -> Any:
    """Return one setting by its dotted key."""
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def _span(text: str, values: str) -> list[Any]:
    parts = [_value(part) for part in values.split(":")]
    if len(parts) != 3 or not all(isinstance(part, int | float) for part in parts):
        raise UsageError(f"--vary {text!r}: a range is FIRST:LAST:STEP, three numbers")
    first, last, step = parts
    if step <= 0 or last < first:
        raise UsageError(f"--vary {text!r}: the step must be positive and LAST not below FIRST")
    count = int((last - first) / step + 1e-9) + 1
    if count > MAX_SETTINGS:
        raise UsageError(f"--vary {text!r}: {count:,} values are too many")
    return [_rounded(first + i * step) for i in range(count)]


def _rounded(value: float) -> float | int:
    return value if isinstance(value, int) else float(f"{value:.12g}")  # 0.1 + 0.2 is 0.3 to a reader


def _value(text: str) -> Any:
    text = text.strip()
    if text == "none":
        return None
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
