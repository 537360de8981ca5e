"""A heat map as SVG without inline style: the page's own sheet gives the colours, the numbers stand in a table.

A cell is blue where it is more than the middle, red where it is less, the stronger the farther; both also carry
their number as text where there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from engine.web.screens import drawing
from forewalk.types import FloatArray

STEPS = 5  # shades on either side of the middle
MOST_SIDE = 48  # cells on one side that can be told apart
ROOM_ACROSS = 8  # cells on one row that have room for a number
TICKS = 7
LEFT, TOP, BOTTOM = drawing.LEFT, 12, 34
WIDTH = drawing.WIDTH
CELL = (16.0, 40.0)  # least and most height of a row


@dataclass(frozen=True)
class Side:
    """One side of a map: the setting's name, and its values as text."""

    name: str
    values: tuple[str, ...]


def heat(
    label: str, cells: FloatArray, across: Side, down: Side | None, middle: float, own: tuple[int, int] | None
) -> Markup:
    """Return the map of `cells`, [values down, values across]; NaN cells are left empty.

    Args:
        middle: the value without a colour. own: (across, down) of the cell to frame, None for none.

    Sides of more than `MOST_SIDE` values are thinned evenly, the first and the last value kept.
    """
    rows, columns = (shown(count) for count in cells.shape)
    drawn = cells[np.ix_(rows, columns)]
    wide = (WIDTH - LEFT - drawing.RIGHT) / len(columns)
    high = min(max(260 / len(rows), CELL[0]), CELL[1])
    reach = float(np.nanmax(np.abs(drawn - middle), initial=0.0)) if np.isfinite(drawn).any() else 0.0
    parts = []
    for (row, column), value in np.ndenumerate(drawn):
        if np.isfinite(value):
            x, y = LEFT + column * wide, TOP + row * high
            parts.append(_cell(x, y, wide, high, shade(float(value), middle, reach)))
            if len(columns) <= ROOM_ACROSS:
                text = number_text(float(value))
                parts.append(drawing.words("cell", x + wide / 2, y + high / 2 + 5, text, "middle"))
    bottom = TOP + len(rows) * high
    parts += _ticks(across, down, columns, rows, wide, high)
    if own is not None and own[0] in columns and own[1] in rows:
        x, y = LEFT + columns.index(own[0]) * wide, TOP + rows.index(own[1]) * high
        parts.append(Markup('<rect class="framed" x="{}" y="{}" width="{}" height="{}"/>').format(
            *_round(x, y, wide, high)
        ))  # fmt: skip
    return Markup('<svg class="chart heat" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, round(bottom + BOTTOM), label, Markup("").join(parts)
    )


def shown(count: int) -> list[int]:
    """Return at most `MOST_SIDE` places of `count`, evenly, the first and the last among them."""
    if count <= MOST_SIDE:
        return list(range(count))
    return sorted({round(k * (count - 1) / (MOST_SIDE - 1)) for k in range(MOST_SIDE)})


def shade(value: float, middle: float, reach: float) -> str:
    """Return the class of a cell: "more" or "less" and how far, or "even"."""
    step = round(STEPS * min(abs(value - middle) / reach, 1.0)) if reach > 0 else 0
    return "even" if step == 0 else f"{'more' if value > middle else 'less'}{step}"


def number_text(value: float) -> str:
    """Return a value of a cell as text, "none" for NaN."""
    if not np.isfinite(value):
        return "none"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.0f}"


def _cell(x: float, y: float, wide: float, high: float, kind: str) -> Markup:
    return Markup('<rect class="heat {}" x="{}" y="{}" width="{}" height="{}"/>').format(
        kind, *_round(x, y, wide, high)
    )


def _ticks(
    across: Side, down: Side | None, columns: Sequence[int], rows: Sequence[int], wide: float, high: float
) -> list[Markup]:
    bottom = TOP + len(rows) * high
    parts = []
    for place in _spread(len(columns)):
        x = LEFT + (place + 0.5) * wide
        parts.append(drawing.words("tick", round(x, 1), bottom + 22, across.values[columns[place]], "middle"))
    if down is not None:
        for place in _spread(len(rows)):
            y = TOP + (place + 0.5) * high + 5
            parts.append(drawing.words("tick", LEFT - 6, round(y, 1), down.values[rows[place]], "end"))
    return parts


def _spread(count: int) -> range:
    return range(0, count, -(-count // TICKS))


def _round(*values: float) -> tuple[float, ...]:
    return tuple(round(value, 1) for value in values)
