"""The recording of the README is of a real run: what it shows is what the commands say, and it asks no other host."""

import json
import os
import re
import runpy
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.making import REPOSITORY

DOCS = REPOSITORY / "docs"
recording = runpy.run_path(str(DOCS / "make_recording.py"))
Screen = recording["Screen"]
CAST, SVG = (DOCS / "pictures" / f"first-run.{ending}" for ending in ("cast", "svg"))
SVG_NAMES = "{http://www.w3.org/2000/svg}"


def text_of(screen):
    return ["".join(character for character, _ in row).rstrip() for row in screen]


@pytest.fixture(scope="module")
def events():
    header, *lines = CAST.read_text(encoding="utf-8").splitlines()
    assert json.loads(header) == {
        "version": 2,
        "width": recording["COLUMNS"],
        "height": recording["ROWS"],
        "title": "forewalk backtest: a real run, its time shortened to 20 s",
        "env": {"TERM": "xterm-256color"},
    }
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def last(events):
    screen = Screen()
    screen.feed("".join(text for _, _, text in events))
    return text_of(screen.shown())


def test_it_is_an_asciicast_of_twenty_seconds(events):
    times = [at for at, _, _ in events]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (0.0, 20.0)
    assert {kind for _, kind, _ in events} == {"o"}
    assert max(times[:-1]) < 15  # the result can be read


def test_it_shows_the_command_as_it_is_typed_and_the_numbers_of_the_readme(events, last):
    screen, seen = Screen(), []
    for _, _, text in events:
        screen.feed(text)
        seen.append(text_of(screen.shown())[0])
    assert ["$ forewalk backtest"[: 2 + count].rstrip() for count in range(18)] == seen[:18]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for row, cell in (
        ("total return", r"total return [^|]*\| ([\d.]+ ?%)"),
        ("largest drawdown", r"deepest drawdown \| (-[\d.]+ ?%)"),
    ):
        (shown,) = [line for line in last if line.strip().startswith(row)]
        assert re.search(cell, readme)[1].replace(" ", "") in shown


def test_the_picture_ends_with_the_screen_of_the_recording(last):
    root = ElementTree.parse(SVG).getroot()
    (still,) = [group for group in root if group.get("class") == "still"]
    lines = ["".join(piece.text or "" for piece in line) for line in still]
    told = [line for line in last if line]
    assert len(lines) == len(told)
    for line, text in zip(lines, told, strict=True):
        assert line.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("path", [CAST, SVG], ids=["cast", "svg"])
def test_it_is_small_and_leads_nowhere_and_names_no_folder_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 120_000
    text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|href|<script|url\(|@import|/home/|/root|/tmp/|/work", text)


def test_the_picture_has_a_name_stands_still_on_demand_and_moves_once():
    root = ElementTree.parse(SVG).getroot()
    assert root.get("role") == "img"
    assert "a real run" in root.find(f"{SVG_NAMES}title").text
    assert "prefers-reduced-motion:reduce" in root.find(f"{SVG_NAMES}style").text
    begins = [float(each.get("begin")[:-1]) for each in root.iter(f"{SVG_NAMES}set")]
    assert begins
    assert max(begins) < 20
    assert not list(root.iter(f"{SVG_NAMES}animate"))


@pytest.mark.slow
def test_a_command_is_recorded_in_a_terminal_of_its_own(tmp_path):
    program = (
        "import os, sys\n"
        "print(sys.stdout.isatty(), os.get_terminal_size().columns, os.path.basename(os.getcwd()))\n"
        "print('\\033[1mdone\\033[0m')\n"
        "sys.exit(3)"
    )
    events, code = recording["recorded"]([sys.executable, "-c", program], tmp_path, os.environ)
    shown = recording["frames"](["python", "it"], events)
    assert code == 3
    assert text_of(shown[-1][1])[:3] == ["$ python it", f"True 100 {tmp_path.name}", "done"]
    assert shown[-1][1][2][0] == ("d", "bold")
    assert "\x1b[1mdone\x1b[0m" in json.loads(recording["cast"](shown, "it").splitlines()[-2])[2]


PIECES = st.lists(
    st.sampled_from(
        [
            "words",
            "\r",
            "\n",
            "\x1b[2K",
            "\x1b[1A",
            "\x1b[3B",
            "\x1b[1;31m",
            "\x1b[38;5;70m",
            "\x1b[0m",
            "━━",
            "\x1b[J",
        ]
    ),
    max_size=40,
)


@given(pieces=PIECES)
def test_a_recording_played_back_is_what_was_shown(pieces):
    events = [(float(number), piece) for number, piece in enumerate(pieces)]
    shown = recording["frames"](["x"], events)
    screen = Screen()
    for line in recording["cast"](shown, "x").splitlines()[1:]:
        screen.feed(json.loads(line)[2])
    whole = Screen()
    whole.feed("$ x\r\n" + "".join(pieces))
    assert text_of(screen.shown()) == text_of(shown[-1][1]) == text_of(whole.shown())


@given(pieces=PIECES, sizes=st.lists(st.floats(0, 0.1), min_size=41, max_size=41))
def test_pieces_are_joined_until_they_are_whole_and_none_is_lost(pieces, sizes):
    moments = [sum(sizes[: place + 1]) for place in range(len(pieces))]
    told = [(at, piece.encode()) for at, piece in zip(moments, pieces, strict=True)]
    joined = list(recording["whole"](told))
    assert "".join(text for _, text in joined) == "".join(pieces)


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("12%\r\x1b[2K100%", ["100%"]),
        ("a\r\nb\x1b[1A\rc", ["c", "b"]),
        ("abc\x1b[2D\x1b[K", ["a"]),
        ("abc\rx", ["xbc"]),
        ("\x1b[2;3Hx", ["", "  x"]),
        ("a\x1b[?25l\x1b(Bb", ["ab"]),
        ("x" * 101, ["x" * 100, "x"]),
        ("gone\x1b[2J\x1b[Hnew", ["new"]),
    ],
)
def test_a_terminal_shows_what_it_is_told(told, lines):
    screen = Screen()
    screen.feed(told)
    assert text_of(screen.shown())[: len(lines)] == lines
    assert not any(text_of(screen.shown())[len(lines) :])
