"""Record the terminal of a real run for the README: `python docs/make_recording.py`, a sample run in a fresh folder.

Nothing is written by hand: the command runs in a terminal of its own, and what it shows is kept as `first-run.cast`
(asciicast v2, for any player of it) and as `first-run.svg`, which plays once and then stands. The time of the run is
shortened evenly to what a reader has.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

PICTURES = Path(__file__).with_name("pictures")
NAME = "first-run"
COMMAND = ("forewalk", "backtest")
COLUMNS, ROWS = 100, 46
LENGTH_S = 20.0  # in all
TYPED_S, READ_S = 1.5, 6.5  # of it, for the command and for the result
FRAMES_PER_S = 4
WHOLE_S = 0.02  # nothing for so long: what was painted is whole

Event = tuple[float, str]  # seconds since the start, what the terminal was told
Cell = tuple[str, str]  # a character, and its style: names between blanks
Frame = tuple[float, tuple[tuple[Cell, ...], ...]]
BLANK: Cell = (" ", "")
_TOKEN = re.compile(
    r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()][0-9A-B]|[\r\n\x08]|[^\x1b\x00-\x1f]+|[\x00-\x1f]", re.DOTALL
)
_PLAIN = ("#1d1f21", "#cc6666", "#b5bd68", "#f0c674", "#81a2be", "#b294bb", "#8abeb7", "#c5c8c6")


@dataclass
class Screen:
    """A terminal of which as much is understood as our own output needs: lines, colours, moves of the cursor."""

    columns: int = COLUMNS
    height: int = ROWS
    rows: list[list[Cell]] = field(default_factory=list)
    row: int = 0
    column: int = 0
    style: str = ""

    def __post_init__(self) -> None:
        self.rows = [[BLANK] * self.columns for _ in range(self.height)]

    def feed(self, text: str) -> None:
        """Show some output, of whole escape sequences."""
        for token in _TOKEN.finditer(text):
            if token[2]:
                self._control(token[1], token[2])
            elif token[0] == "\r":
                self.column = 0
            elif token[0] == "\n":
                self._down()
            elif token[0] == "\x08":
                self.column = max(0, self.column - 1)
            elif token[0][0] >= " ":
                self._write(token[0])

    def shown(self) -> tuple[tuple[Cell, ...], ...]:
        """Return what stands there now."""
        return tuple(tuple(row) for row in self.rows)

    def _write(self, text: str) -> None:
        for character in text:
            if self.column == self.columns:
                self.column = 0
                self._down()
            self.rows[self.row][self.column] = (character, self.style)
            self.column += 1

    def _down(self) -> None:
        if self.row == self.height - 1:
            self.rows = [*self.rows[1:], [BLANK] * self.columns]
        else:
            self.row += 1

    def _control(self, numbers: str, letter: str) -> None:
        if letter == "m":
            self.style = styled(self.style, [int(number or 0) for number in numbers.split(";")])
            return
        if numbers.startswith("?"):
            return
        values = [int(number or 0) for number in numbers.split(";")]
        count = max(1, values[0])
        if letter in "AB":
            self.row = min(max(self.row + (count if letter == "B" else -count), 0), self.height - 1)
        elif letter in "CD":
            self.column = min(max(self.column + (count if letter == "C" else -count), 0), self.columns - 1)
        elif letter == "G":
            self.column = min(count, self.columns) - 1
        elif letter == "H":
            self.row = min(count, self.height) - 1
            self.column = min(max(1, values[1] if len(values) > 1 else 1), self.columns) - 1
        elif letter == "K":
            self._erase(self.row, values[0])
        elif letter == "J":
            self._erase(self.row, 2 if values[0] == 2 else 0)
            for row in range(0 if values[0] == 2 else self.row + 1, self.height):
                self.rows[row] = [BLANK] * self.columns

    def _erase(self, row: int, how: int) -> None:
        begin, end = ((self.column, self.columns), (0, self.column + 1), (0, self.columns))[how]
        self.rows[row][begin:end] = [BLANK] * (end - begin)


def styled(style: str, codes: Sequence[int]) -> str:
    """Return a style after the codes of an SGR sequence: "bold", "dim", "italic" and a colour, between blanks."""
    kept, place = [name for name in style.split() if name], 0
    while place < len(codes):
        code = codes[place]
        color = ""
        if code == 0:
            kept = []
        elif code in (1, 2, 3):
            kept.append({1: "bold", 2: "dim", 3: "italic"}[code])
        elif 30 <= code <= 37 or 90 <= code <= 97:
            color = _PLAIN[code % 10]
        elif code == 38 and codes[place + 1 : place + 2] == [5]:
            color, place = of_256(codes[place + 2]), place + 2
        elif code == 38 and codes[place + 1 : place + 2] == [2]:
            color, place = "#" + "".join(f"{part:02x}" for part in codes[place + 2 : place + 5]), place + 4
        elif code in (22, 23, 39):
            ended = {
                22: ("bold", "dim"),
                23: ("italic",),
                39: tuple(name for name in kept if name[0] == "#"),
            }[code]
            kept = [name for name in kept if name not in ended]
        if color:
            kept = [*(name for name in kept if name[0] != "#"), color]
        place += 1
    return " ".join(dict.fromkeys(kept))


def of_256(number: int) -> str:
    """Return a colour of the table of 256."""
    if number < 16:
        return _PLAIN[number % 8]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    steps = (0, 95, 135, 175, 215, 255)
    red, green, blue = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
    return f"#{steps[red]:02x}{steps[green]:02x}{steps[blue]:02x}"


def recorded(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[list[Event], int]:
    """Run a command in a terminal of its own; return what it showed and when, and its exit code."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    told = {**environment, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    begun = time.monotonic()
    running = subprocess.Popen(
        command, cwd=folder, stdin=its, stdout=its, stderr=its, env=told, start_new_session=True
    )
    os.close(its)
    pieces: list[tuple[float, bytes]] = []
    try:
        while piece := os.read(mine, 65536):
            pieces.append((time.monotonic() - begun, piece))
    except OSError:  # how a terminal ends
        pass
    os.close(mine)
    return list(whole(pieces)), running.wait()


def whole(pieces: Sequence[tuple[float, bytes]]) -> Iterator[Event]:
    """Yield the pieces as text, each ending where what was painted is whole."""
    held = b""
    for number, (at, piece) in enumerate(pieces):
        held += piece
        last = number == len(pieces) - 1
        if last or pieces[number + 1][0] - at >= WHOLE_S:
            yield at, held.decode("utf-8", "replace")
            held = b""


def frames(command: Sequence[str], events: Sequence[Event]) -> list[Frame]:
    """Return the screens of a recording: the command as it is typed, the run in shorter time, the result.

    At most `FRAMES_PER_S` a second, the last one always; the times are those of the shortened recording.
    """
    screen, found, line = Screen(), [], " ".join(command)
    for number in range(len(line) + 1):
        screen = Screen()
        screen.feed("\x1b[32m$\x1b[0m " + line[:number])
        found.append((TYPED_S * number / (len(line) + 1), screen.shown()))
    screen.feed("\r\n")
    length = events[-1][0] if events else 0.0
    room = LENGTH_S - TYPED_S - READ_S
    for number, (at, text) in enumerate(events):
        screen.feed(text)
        moment = TYPED_S + (room * at / length if length else 0.0)
        if number == len(events) - 1 or moment - found[-1][0] >= 1 / FRAMES_PER_S:
            found.append((moment, screen.shown()))
    return found


def cast(shown: Sequence[Frame], title: str) -> str:
    """Return a recording as asciicast v2: of each frame the lines that are not those of the one before."""
    header = {
        "version": 2,
        "width": COLUMNS,
        "height": ROWS,
        "title": title,
        "env": {"TERM": "xterm-256color"},
    }
    lines = [json.dumps(header)]
    before: Sequence[Sequence[Cell]] = Screen().shown()
    for at, rows in shown:
        told = "".join(
            f"\x1b[{number + 1};1H\x1b[2K{ansi(row)}"
            for number, row in enumerate(rows)
            if row != before[number]
        )
        before = rows
        lines.append(json.dumps([round(at, 3), "o", told], ensure_ascii=False))
    lines.append(json.dumps([LENGTH_S, "o", ""]))
    return "\n".join(lines) + "\n"


def ansi(row: Sequence[Cell]) -> str:
    """Return a line as a terminal is told it."""
    told = []
    for _, text, style in runs(row):
        codes = ";".join(_code(name) for name in style.split())
        told.append(f"\x1b[{codes}m{text}\x1b[0m" if style else text)
    return "".join(told)


def _code(name: str) -> str:
    if name[0] != "#":
        return {"bold": "1", "dim": "2", "italic": "3"}[name]
    return "38;2;" + ";".join(str(int(name[at : at + 2], 16)) for at in (1, 3, 5))


def runs(row: Sequence[Cell]) -> list[tuple[int, str, str]]:
    """Return the pieces of a line of one style each, (column, text, style), without what is blank at its end."""
    end = max((place + 1 for place, (character, _) in enumerate(row) if character != " "), default=0)
    found: list[tuple[int, str, str]] = []
    for place, (character, style) in enumerate(row[:end]):
        if found and found[-1][2] == style:
            found[-1] = (found[-1][0], found[-1][1] + character, style)
        else:
            found.append((place, character, style))
    return found


WIDTH, HEIGHT, EDGE = 8.4, 17, 14
STYLE = (
    "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#c5c8c6;"
    "white-space:pre}.bold{font-weight:bold}.dim{opacity:.7}.italic{font-style:italic}.still{display:none}"
    "@media(prefers-reduced-motion:reduce){.still{display:inline}.moving{display:none}}"
)


def svg(shown: Sequence[Frame], title: str) -> str:
    """Return a recording as a picture that plays once; where motion is not wanted it is the last frame."""
    width, height = COLUMNS * WIDTH + 2 * EDGE, ROWS * HEIGHT + 2 * EDGE
    moving = "".join(
        f'<g visibility="hidden">{line(number, row)}'
        f'<set attributeName="visibility" to="visible" begin="{begin:.2f}s"'
        + (f' end="{end:.2f}s"/></g>' if end is not None else ' fill="freeze"/></g>')
        for number, row, begin, end in lives(shown)
    )
    still = "".join(line(number, row) for number, row in enumerate(shown[-1][1]) if runs(row))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#1d1f21"/>'
        f'<g class="moving">{moving}</g><g class="still">{still}</g></svg>\n'
    )


def lives(shown: Sequence[Frame]) -> Iterator[tuple[int, tuple[Cell, ...], float, float | None]]:
    """Yield each line that stands somewhere for a while: (row, line, from, until; None for ever)."""
    for number in range(ROWS):
        since, row = 0.0, shown[0][1][number]
        for at, rows in [*shown[1:], (None, ())]:
            if at is not None and rows[number] == row:
                continue
            if runs(row):
                yield number, row, since, at
            if at is not None:
                since, row = at, rows[number]


def line(number: int, row: Sequence[Cell]) -> str:
    """Return a line as text of a picture; each piece has its place and its width, whatever the font."""
    told = []
    for place, text, style in runs(row):
        if not text.strip():
            continue
        names = " ".join(name for name in style.split() if name[0] != "#")
        color = next((f' fill="{name}"' for name in style.split() if name[0] == "#"), "")
        styles = f' class="{names}"' if names else ""
        size = f'x="{EDGE + place * WIDTH:g}" textLength="{len(text) * WIDTH:g}"'
        told.append(f"<tspan {size}{styles}{color}>{escape(text)}</tspan>")
    return f'<text y="{EDGE + (number + 0.8) * HEIGHT:g}">{"".join(told)}</text>'


def main() -> None:
    """Record the run and write both files; the run's own folder is thrown away."""
    with tempfile.TemporaryDirectory(prefix="recording-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWALK_")}
        events, code = recorded(COMMAND, Path(folder), environment)
    if code:
        sys.exit(f"{' '.join(COMMAND)} ended with {code}:\n{events[-1][1] if events else ''}")
    shown = frames(COMMAND, events)
    title = f"{' '.join(COMMAND)}: a real run, its time shortened to {LENGTH_S:g} s"
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{NAME}.cast").write_text(cast(shown, title), encoding="utf-8")
    (PICTURES / f"{NAME}.svg").write_text(svg(shown, title), encoding="utf-8")
    print(f"{PICTURES / NAME}.cast and .svg: {len(shown)} frames of {events[-1][0]:.0f} s")


if __name__ == "__main__":
    main()
