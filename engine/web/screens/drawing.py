"""Charts as SVG without inline style: the page's own sheet colours them, in the light and in the dark.

Every chart is an image with a name for screen readers; the numbers stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from forewalk.types import FloatArray

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 72, 12, 16, 28
MOST_POINTS = 400
MOST_LABELS = 12  # of groups of columns


@dataclass(frozen=True)
class Scale:
    """From a value to a place on the chart."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Return the place."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.first + share * (self.last - self.first), 1)


def axes(values: Iterable[float], count: int) -> tuple[Scale, Scale]:
    """Return the scales of a chart of `count` places that shows these values."""
    known = list(values)
    low, high = min(known), max(known)
    margin = 0.04 * (high - low) or 0.01 * abs(high) or 1.0
    x = Scale(0.0, float(max(count - 1, 1)), LEFT, WIDTH - RIGHT)
    return x, Scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)


def chart(label: str, parts: Iterable[Markup]) -> Markup:
    """Return a whole chart."""
    inside = Markup("").join(parts)
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, inside
    )


def line(kind: str, xs: Sequence[float], ys: Sequence[float]) -> Markup:
    """A line; `kind` is its class."""
    points = " ".join(f"{x},{y}" for x, y in zip(xs, ys, strict=True))
    return Markup('<polyline class="{}" points="{}"/>').format(kind, points)


def area(kind: str, xs: Sequence[float], lower: Sequence[float], upper: Sequence[float]) -> Markup:
    """The area between two lines."""
    there = [f"{x},{y}" for x, y in zip(xs, upper, strict=True)]
    back = [f"{x},{y}" for x, y in zip(reversed(xs), reversed(lower), strict=True)]
    return Markup('<polygon class="{}" points="{}"/>').format(kind, " ".join(there + back))


def dot(kind: str, x: float, y: float, size: float = 2.6) -> Markup:
    """A dot; where `kind` is "outside" it is a cross, so that colour is not all that tells it apart."""
    if kind == "outside":
        return Markup('<path class="outside" d="M{} {}l{} {}M{} {}l{} {}"/>').format(
            x - size, y - size, 2 * size, 2 * size, x - size, y + size, 2 * size, -2 * size
        )
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(kind, x, y, size)


def mark(kind: str, x: float, y: float) -> Markup:
    """Where something was filled: a buy points up, a sell down, a stop is a square; each by form and colour."""
    form = {"buy": "m0 -7l6 11h-12z", "sell": "m0 7l6 -11h-12z"}.get(kind, "m-5 -5h10v10h-10z")
    return Markup('<path class="{}" d="M{} {}{}"/>').format(kind, x, y, form)


def words(kind: str, x: float, y: float, text: str, anchor: str = "start") -> Markup:
    """Words on the chart."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, text
    )


def frame(y: Scale, form: str, begin: str, end: str) -> Markup:
    """Grid lines with their values, and the first and last day below."""
    parts = [words("tick", LEFT, HEIGHT - 6, begin), words("tick", WIDTH - RIGHT, HEIGHT - 6, end, "end")]
    for value in round_values(y.low, y.high):
        at = y(value)
        parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(LEFT, at, WIDTH - RIGHT))
        parts.append(words("tick", LEFT - 6, at + 4, form.format(value), "end"))
    return Markup("").join(parts)


def columns(kinds: Sequence[str], labels: Sequence[str], heights: Sequence[Sequence[float]]) -> list[Markup]:
    """Columns from zero, in groups with a label below, each `kinds` in its place; `heights` has a row for each group.

    Of many groups only some are labelled, the first and the last among them.
    """
    known = [0.0, *(value for group in heights for value in group)]
    _, y = axes(known, 2)
    parts, room = [frame(y, "{:,.0f}", "", "")], (WIDTH - LEFT - RIGHT) / max(len(heights), 1)
    wide = round(0.8 * room / len(kinds), 1)
    named = {round(k * (len(labels) - 1) / max(MOST_LABELS - 1, 1)) for k in range(MOST_LABELS)}
    for number, group in enumerate(heights):
        begin = LEFT + (number + 0.1) * room
        for place, (kind, value) in enumerate(zip(kinds, group, strict=True)):
            top, foot = sorted((y(value), y(0.0)))
            at = round(begin + place * wide, 1)
            form = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
            parts.append(form.format(kind, at, top, wide, round(foot - top, 1)))
        if number in named:
            parts.append(words("tick", round(begin + 0.4 * room, 1), HEIGHT - 6, labels[number], "middle"))
    return parts


def round_values(low: float, high: float) -> list[float]:
    """About five round values between two others: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next((each for each in (1, 2, 5) if each * power >= rough), 10)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def thinned(values: FloatArray) -> list[int]:
    """At most MOST_POINTS rows of a series, the first and the last among them."""
    count = len(values)
    if count <= MOST_POINTS:
        return list(range(count))
    return sorted({round(k * (count - 1) / (MOST_POINTS - 1)) for k in range(MOST_POINTS)})


def gauge(share: float, low: str, middle: str, high: str, label: str) -> Markup:
    """One scale from chance to clear, with where this run stands; `share` is 0 to 1, clear begins at 0.95."""
    x = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
    at, clear, open_at = x(min(max(share, 0.0), 1.0)), x(0.95), x(0.5)
    parts = [
        Markup('<rect class="chance" x="{}" y="34" width="{}" height="18"/>').format(LEFT, open_at - LEFT),
        Markup('<rect class="open" x="{}" y="34" width="{}" height="18"/>').format(open_at, clear - open_at),
        Markup('<rect class="clear" x="{}" y="34" width="{}" height="18"/>').format(clear, x(1.0) - clear),
        Markup('<path class="needle" d="M{} 28l-7 -12h14zM{} 28V58"/>').format(at, at),
        words("tick", LEFT, 74, low),
        words("tick", (open_at + clear) / 2, 74, middle, "middle"),
        words("tick", WIDTH - RIGHT, 74, high, "end"),
    ]
    return Markup('<svg class="chart" viewBox="0 0 {} 84" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, escape(label), Markup("").join(parts)
    )
