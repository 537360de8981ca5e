"""Features of the user's own: laid out as the panel is, or refused with their line."""

import numpy as np
import pytest

from forewalk.errors import ConfigError, DataError, PluginError
from forewalk.features.own import gap_findings, panel_of
from forewalk.features.panel import build_features
from helpers.making import make_bars, make_settings
from helpers.own_code import write_module

BARS = make_bars(300)
GOOD = """\
import numpy as np
import pandas as pd

def array(bars):
    return np.log(bars.volume)

def frame(bars):
    return pd.DataFrame(np.log(bars.volume), bars.timestamps, bars.symbols)[list(reversed(bars.symbols))]

def by_name(bars):
    return {"array": np.log(bars.volume)}

def per_bar(bars):
    return np.arange(len(bars))

def series(bars):
    return pd.Series(np.arange(len(bars)), bars.timestamps)

def whole(bars):
    return bars.volume > 0

def late(bars):
    values = np.ones(bars.close.shape)
    values[:100, 0] = np.nan
    return values
"""


@pytest.fixture
def panel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def compute(*names, text=GOOD):
        write_module(tmp_path, "mine", text)
        return panel_of(BARS, make_settings(features__extra=[f"mine:{name}" for name in names]))

    return compute


def column(panel, name):
    return panel.values[:, :, panel.names.index(name)]


def test_an_own_feature_comes_after_the_built_in_ones_and_changes_none_of_them(panel):
    with_own, without = panel("array"), panel_of(BARS, make_settings())
    assert with_own.names == (*without.names, "array")
    assert np.array_equal(with_own.values[:, :, :-1], without.values, equal_nan=True)
    there = np.isfinite(without.values[:, :, 0])
    assert np.array_equal(column(with_own, "array")[there], np.log(BARS.volume)[there].astype(np.float32))


def test_arrays_frames_and_dicts_of_them_are_the_same_feature(panel):
    expected = column(panel("array"), "array")
    assert np.array_equal(column(panel("frame"), "frame"), expected, equal_nan=True)
    assert np.array_equal(column(panel("by_name"), "array"), expected, equal_nan=True)


def test_one_value_per_bar_counts_for_every_symbol(panel):
    both = panel("per_bar", "series")
    assert np.array_equal(column(both, "per_bar"), column(both, "series"), equal_nan=True)
    assert (column(both, "per_bar")[-1] == len(BARS) - 1).all()


def test_truth_values_are_numbers(panel):
    assert (column(panel("whole"), "whole")[-1] == 1.0).all()


def test_without_anything_of_ones_own_the_panel_is_as_it_was():
    settings = make_settings()
    plain = build_features(BARS, settings.features, 1, settings.data.min_history_bars)
    assert np.array_equal(panel_of(BARS, settings).values, plain.values, equal_nan=True)
    assert gap_findings(plain) == ()


def test_where_an_own_feature_is_missing_there_is_no_row_and_the_report_says_how_many(panel):
    late = panel("late")
    built_in = np.isfinite(panel_of(BARS, make_settings()).values).all(axis=2)
    lost = int(built_in[:100, 0].sum())
    assert lost > 0
    assert np.isnan(late.values[:100, 0]).all()
    (finding,) = gap_findings(late)
    assert finding.count == lost
    assert f"'late' is missing on {lost} symbol-bars" in finding.message


def test_a_feature_that_is_nowhere_leaves_nothing_to_learn_from(panel):
    empty = panel("f", text="def f(bars):\n    return bars.close * float('nan')\n")
    with pytest.raises(DataError, match="'f' is NaN wherever the built-in features are there"):
        gap_findings(empty)


def test_infinity_counts_as_missing(panel):
    body = "    values = bars.volume.copy()\n    values[150:160, 1] = [float('-inf'), 1e35] * 5\n    return values\n"
    (finding,) = gap_findings(panel("f", text=f"def f(bars):\n{body}"))
    assert finding.count == 10


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return bars.close.T", "gave shape (3, 300), but the bars are (300, 3)"),
        ("return 'high'", "which is no numbers"),
        ("return None", "gave shape ()"),
        (
            "return pd.DataFrame(bars.close, bars.timestamps, ['a', 'b', 'c'])",
            "columns a, b, c; they must be",
        ),
        ("return pd.DataFrame(bars.close, columns=bars.symbols)", "index is not bars.timestamps"),
        ("return pd.Series(bars.close[:-1, 0], bars.timestamps[:-1])", "gave 299 rows whose index is not"),
    ],
)
def test_what_is_no_feature_of_these_bars_is_refused_with_file_and_line(panel, body, message):
    with pytest.raises(PluginError) as problem:
        panel("f", text=f"import numpy as np\nimport pandas as pd\n\ndef f(bars):\n    {body}\n")
    assert message in str(problem.value)
    assert "mine.py line 4" in str(problem.value)


def test_bars_cannot_be_changed_by_a_feature(panel):
    with pytest.raises(PluginError, match=r"read-only.*mine\.py line 2"):
        panel("f", text="def f(bars):\n    bars.close[0] = 1.0\n")


@pytest.mark.parametrize(
    ("names", "text", "message"),
    [
        (("rsi",), "def rsi(bars): return bars.close\n", "'rsi' is a feature of Forewalk already"),
        (
            ("f", "g"),
            "def f(bars): return {'g': bars.close}\ng = lambda bars: bars.close\n",
            "'g' is there already",
        ),
        (("x",), "x = 3\n", "is no function"),
    ],
)
def test_a_name_that_is_taken_or_no_function_is_refused(panel, names, text, message):
    with pytest.raises(ConfigError, match=message):
        panel(*names, text=text)
