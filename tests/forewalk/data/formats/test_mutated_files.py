"""Damage to good files, at random: what comes is the source's values or a refusal with words, never anything else."""

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forewalk.data.loading import load_bars
from forewalk.errors import ConfigError, DataError
from forewalk.settings.sections import DataSettings
from helpers.foreign_files import FILES, PLAIN, F

TEXTS = {
    what: file
    for what, file in FILES.items()
    if file.name.endswith((".csv", ".txt", ".tsv", ".psv"))
    and not file.frames
    and not file.ask
    and not file.close_only
    and b"\x00" not in file.content
}
ALLOWED = 0.001  # of a price: vendors round


def dropped_rows(lines, chance):
    return [line for line in lines if chance.random() > 0.01]


def doubled_rows(lines, chance):
    return [again for line in lines for again in ([line, line] if chance.random() < 0.01 else [line])]


def shuffled_rows(lines, chance):
    body = lines[3:]
    chance.shuffle(body)
    return lines[:3] + body


def cut_in_the_middle(lines, chance):
    text = b"\n".join(lines)
    return text[: chance.randrange(1, len(text))].split(b"\n")


def blank_cells(lines, chance):
    return [
        line.replace(b",", b",,", 1).replace(b",,", b",", 1)
        if chance.random() > 0.005
        else b"," * line.count(b",")
        for line in lines
    ]


def comments_between(lines, chance):
    return [piece for line in lines for piece in ([b"# a note", line] if chance.random() < 0.01 else [line])]


def headers_again(lines, chance):
    return [piece for line in lines for piece in ([lines[0], line] if chance.random() < 0.01 else [line])]


def other_case(lines, chance):
    return [lines[0].swapcase(), *lines[1:]]


def other_ends(lines, chance):
    return [line + b"\r" for line in lines]


def footer(lines, chance):
    return [*lines, b"", b"Source: somebody, all rights reserved", b"Total,,,,,1"]


def absurd_numbers(lines, chance):
    row = chance.randrange(1, max(2, len(lines)))
    return [line.replace(b"1", b"-1e30") if number == row else line for number, line in enumerate(lines)]


def noise(lines, chance):
    text = bytearray(b"\n".join(lines))
    for _ in range(3):
        text[chance.randrange(len(text))] = chance.randrange(256)
    return bytes(text).split(b"\n")


MUTATIONS = (
    *(dropped_rows, doubled_rows, shuffled_rows, cut_in_the_middle, blank_cells, comments_between),
    *(headers_again, other_case, other_ends, footer, absurd_numbers, noise),
)


def loaded(folder, name, content):
    """The bars of a file, or None where it is refused; anything else that is raised is a defect."""
    path = folder / name
    path.write_bytes(content)
    try:
        return load_bars(DataSettings(source="files", path=path, min_history_bars=1))[0]
    except (DataError, ConfigError):
        return None
    finally:
        path.unlink()


def assert_of_the_source(bars, spoiled):
    """Every close stands on its own day in the source, but for the few that the damage itself has changed."""
    days = bars.timestamps.tz_convert("America/New_York").tz_localize(None).normalize()
    assert bars.interval == "1d"
    there = F.reindex(days)["close"].to_numpy()
    for column in range(len(bars.symbols)):
        close = bars.close[:, column]
        known = np.isfinite(close)
        wrong = ~np.isclose(close[known], there[known], rtol=ALLOWED, atol=0)
        assert wrong.sum() <= spoiled, (close[known][wrong][:5], there[known][wrong][:5])


@settings(max_examples=40)
@given(
    what=st.sampled_from(sorted(TEXTS)),
    mutations=st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3),
    seed=st.integers(0, 10**9),
)
@example(what="lean", mutations=[footer], seed=0)
def test_a_damaged_file_is_read_right_or_refused(tmp_path_factory, what, mutations, seed):
    file, chance = TEXTS[what], random.Random(seed)
    lines = file.content.split(b"\n")
    for mutation in mutations:
        lines = mutation(lines, chance)
    bars = loaded(tmp_path_factory.mktemp("mutated"), file.name, b"\n".join(lines))
    if bars is not None:
        assert_of_the_source(
            bars, spoiled=6 if {noise, absurd_numbers, cut_in_the_middle} & {*mutations} else 0
        )


@settings(max_examples=40)
@given(content=st.binary(max_size=400))
def test_bytes_that_are_no_file_are_refused(tmp_path_factory, content):
    assert loaded(tmp_path_factory.mktemp("bytes"), "AAPL.csv", content) is None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_each_kind_of_damage_on_the_plainest_file(mutation, tmp_path):
    for seed in range(5):
        lines = mutation(PLAIN.split(b"\n"), random.Random(seed))
        bars = loaded(tmp_path, "AAPL.csv", b"\n".join(lines))
        if bars is not None:
            assert_of_the_source(
                bars, spoiled=6 if mutation in (noise, absurd_numbers, cut_in_the_middle) else 0
            )
