"""A sweep that was written is read back as it was; what is damaged says so and what to do."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sweep.grid import Axis
from engine.sweep.result import METRICS, Sweep, SweepLuck, sweep_lines
from engine.sweep.stored import read_sweep, sweeps_of, write_outcome
from engine.sweep.surface import heat_table
from forewalk.errors import DataError

numbers = st.one_of(st.integers(-100, 100), st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: x + 0.0))
values = st.lists(
    st.one_of(st.none(), st.booleans(), numbers, st.sampled_from(["moo", "-x", "=1", "a:b"])),
    min_size=1,
    max_size=5,
    unique=True,
)
LUCK = SweepLuck(3.0, 2.5, 1.25, 0.5, 0.4, 0.875, bars=300, best_beyond_annual=0.75)


def swept(run, *columns, luck=LUCK, fractions=False):
    axes = tuple(Axis(f"strategy.x{number}", tuple(each)) for number, each in enumerate(columns))
    grid = pd.MultiIndex.from_product([range(len(axis.values)) for axis in axes]).to_frame(index=False)
    table = pd.DataFrame(
        {axis.key: pd.Series([axis.values[k] for k in grid[i]], dtype=object) for i, axis in enumerate(axes)}
    )
    if fractions:
        table = table.astype(float).astype(object)
    random = np.random.default_rng(1)
    for name in (*METRICS, "fees", "filled", "partial", "margin"):
        table[name] = random.normal(size=len(table))
    table.loc[0, "sharpe"] = np.nan
    own = {axis.key: axis.values[0] for axis in axes}
    return Sweep(run, "one/sweeps/001", axes, table, own, True, luck, {"sharpe": 0.25})


def written(result, number="001"):
    folder = result.run / "sweeps" / number
    folder.mkdir(parents=True, exist_ok=True)
    write_outcome(result, folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tmp_path_factory.mktemp("swept") / "one"


@given(across=values, down=values)
def test_what_is_read_back_is_what_was_written(run, across, down):
    made = swept(run, across, down)
    found = read_sweep(written(made))
    assert found.axes == made.axes
    assert (found.name, found.own, found.luck, found.held) == (made.name, made.own, made.luck, made.held)
    for metric in METRICS:
        np.testing.assert_array_equal(heat_table(found, metric), heat_table(made, metric))
    assert sweep_lines(found) == sweep_lines(made)


def test_whole_numbers_of_a_setting_that_takes_fractions_are_found_again(run):
    found = read_sweep(written(swept(run, [0, 5, 20], fractions=True)))
    assert found.table["strategy.x0"].tolist() == [0, 5, 20]


def test_the_axes_may_be_turned(run):
    made = swept(run, [1, 2, 3], [True, False])
    wide = heat_table(made, "sharpe", (made.axes[0], made.axes[1]))
    np.testing.assert_array_equal(heat_table(made, "sharpe", (made.axes[1], made.axes[0])), wide.T)


@pytest.mark.parametrize(
    ("beyond", "said"),
    [
        (0.75, "and the best reached 0.75, so that 0.35 is left after the discount"),
        (0.3, "and the best reached 0.30, so that nothing is left after the discount"),
        (None, "luck alone would be expected to reach 0.40. Tested"),
    ],
)
def test_the_discount_is_said_and_an_older_sweep_says_none(run, beyond, said):
    luck = replace(LUCK, best_beyond_annual=beyond)
    assert said in sweep_lines(swept(run, [1, 2], luck=luck))[1]
    assert luck.left_annual == (None if beyond is None else pytest.approx(beyond - 0.4))


def test_only_finished_sweeps_are_listed_the_newest_first(tmp_path):
    made = [written(swept(tmp_path / "one", [1, 2]), f"00{n}") for n in (1, 2, 3)]
    (made[1] / "sweep.json").unlink()
    (tmp_path / "one" / "sweeps" / "notes").mkdir()
    assert sweeps_of(tmp_path / "one") == [made[2], made[0]]
    assert sweeps_of(tmp_path / "two") == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sweep.json", "{"),
        ("sweep.json", "[]"),
        ("sweep.json", json.dumps({"axes": {}})),
        ("sweep.json", json.dumps({"axes": {"strategy.x0": [1, 2]}})),
        ("settings.csv", ""),
        ("settings.csv", "strategy.x0,sharpe\n7,1\n"),
        ("settings.csv", "strategy.y,sharpe\n1,1\n"),
    ],
)
def test_a_damaged_sweep_says_which_and_what_to_do(tmp_path, file, text):
    folder = written(swept(tmp_path / "one", [1, 2]))
    (folder / file).write_text(text)
    with pytest.raises(DataError, match=r"sweep 001 of one is damaged: .*; sweep again"):
        read_sweep(folder)
