"""Runs side by side: what differs is named, the tests are right, what cannot be compared is refused."""

import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from engine.cli.app import app
from engine.compare.job import compare_runs
from engine.compare.page import write_page
from engine.compare.text import lines
from forewalk.errors import DataError, UsageError


def keys(found, kind):
    return {each.key: each.values for each in found.differences if each.kind == kind}


def losses(run):
    """Mean squared error of each bar, from the file."""
    table = pd.read_parquet(run / "forecasts.parquet").dropna(subset=["actual"])
    return ((table["actual"] - table["mean"]) ** 2).groupby(table["asof"]).mean()


def test_runs_that_differ_in_the_seed_only_say_so(run_of):
    found = compare_runs([run_of("base"), run_of("seed")])
    assert found.only_the_seed
    assert found.same_data
    assert keys(found, "setting") == {"seed": (7, 8)}
    assert lines(found)[0] == (
        "base and seed differ in the seed only: whatever differs below is the luck of a seed."
    )


def test_a_seed_beside_another_setting_is_pointed_out(run_of):
    found = compare_runs([run_of("base"), run_of("entry")])
    assert not found.only_the_seed
    assert keys(found, "setting") == {"seed": (7, 8), "strategy.entry": (0.0, 0.05)}
    assert "the seed differs too" in lines(found)[0]


def test_one_feature_more_is_named(run_of):
    found = compare_runs([run_of("base"), run_of("feature")])
    assert keys(found, "setting") == {"features.ema_spans": ([10], [10, 30])}
    assert keys(found, "feature") == {"ema_distance_30": (False, True)}
    assert "  feature ema_distance_30: not seen / seen" in lines(found)


def test_other_data_are_named_and_what_both_have_is_compared(run_of):
    found = compare_runs([run_of("base"), run_of("wider")])
    assert not found.same_data
    assert keys(found, "data")["symbols"] == (["S00", "S01"], ["S00", "S01", "S02"])
    assert keys(found, "setting") == {}
    shared = pd.read_parquet(run_of("base") / "forecasts.parquet")["actual"].notna().sum()
    assert found.pairings[0].forecasts.cells == shared


def test_a_run_and_its_copy_differ_in_nothing(run_of, tmp_path):
    copy = shutil.copytree(run_of("base"), tmp_path / "copy")
    found = compare_runs([run_of("base"), copy])
    assert (found.differences, found.pairings[0].adjusted_p) == ((), None)
    assert (found.curves["base"] == found.curves["copy"]).all()
    assert (found.lead == 0).all(axis=None)


def test_the_test_of_forecasts_is_diebold_marianos(run_of):
    """Against the statistic computed here: Newey-West over the bars' mean loss differences, Harvey's factor."""
    a, b = run_of("base"), run_of("feature")
    pair = compare_runs([a, b]).pairings[0].forecasts
    gap = (losses(a) - losses(b)).to_numpy()
    n, lag = len(gap), math.floor(4 * (len(gap) / 100) ** (2 / 9))
    centred = gap - gap.mean()
    variance = centred @ centred / n
    for step in range(1, lag + 1):
        variance += 2 * (1 - step / (lag + 1)) * (centred[step:] @ centred[:-step]) / n
    expected = gap.mean() / math.sqrt(variance / n) * math.sqrt((n - 1) / n)
    assert pair.test.statistic == pytest.approx(expected)
    assert (pair.bars, pair.test.lag_bars) == (n, lag)


def test_the_difference_of_the_accounts_is_that_of_their_returns(run_of):
    a, b = (pd.read_parquet(run_of(kind) / "equity.parquet")["equity"] for kind in ("base", "feature"))
    pair = compare_runs([run_of("base"), run_of("feature")]).pairings[0].accounts
    gap = a.pct_change().dropna() - b.pct_change().dropna()
    assert pair.return_difference.value == pytest.approx(gap.mean() * 252, abs=1e-12)
    assert pair.return_difference.low <= pair.return_difference.value <= pair.return_difference.high
    assert pair.return_a == pytest.approx(a.iloc[-1] / a.iloc[0] - 1)


def test_the_lead_adds_up_to_the_difference_in_error(run_of):
    a, b = run_of("base"), run_of("feature")
    found = compare_runs([a, b])
    assert found.lead["feature"].iloc[-1] == pytest.approx((losses(b) - losses(a)).sum())


def test_of_three_each_is_laid_beside_the_first_and_the_number_of_tests_allowed_for(run_of):
    found = compare_runs([run_of("base"), run_of("seed"), run_of("feature")])
    assert [(each.a, each.b) for each in found.pairings] == [("base", "seed"), ("base", "feature")]
    raw = [each.forecasts.test.p_two_sided for each in found.pairings]
    assert [each.adjusted_p for each in found.pairings] == pytest.approx(multipletests(raw, method="holm")[1])
    assert list(found.curves.columns) == ["base", "seed", "feature"]
    assert np.allclose(found.curves.iloc[0], 1.0)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("week", r"over 1 bars, week over 5.*label\.horizon_bars = 1.*--accounts"),
        ("beside", r"forecast other returns.*other's label, or compare the accounts alone"),
        ("other", r"no symbol is in both.*data\.symbols"),
        ("later", r"no bar is in both.*data\.start"),
        ("revised", r"prices were revised between the runs.*run both again"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_remedy(run_of, kind, said):
    with pytest.raises(DataError, match=said):
        compare_runs([run_of("base"), run_of(kind)])


@pytest.mark.parametrize("kind", ["week", "beside", "revised"])
def test_accounts_can_be_compared_alone(run_of, kind):
    found = compare_runs([run_of("base"), run_of(kind)], accounts_only=True)
    assert found.pairings[0].forecasts is None
    assert found.pairings[0].accounts.bars > 50


@pytest.mark.parametrize("kind", ["other", "later"])
def test_accounts_of_other_bars_are_not(run_of, kind):
    with pytest.raises(DataError, match="in both"):
        compare_runs([run_of("base"), run_of(kind)], accounts_only=True)


def test_one_run_is_no_comparison_nor_is_one_twice(run_of):
    with pytest.raises(UsageError, match="2 to 8"):
        compare_runs([run_of("base")])
    with pytest.raises(UsageError, match="named twice"):
        compare_runs([run_of("base"), run_of("base")])


def test_the_page_holds_every_curve_and_is_the_same_each_time(run_of, tmp_path):
    found = compare_runs([run_of("base"), run_of("seed"), run_of("feature")])
    pages = [tmp_path / "one.html", tmp_path / "two.html"]
    for page in pages:
        write_page(found, page)
    text = pages[0].read_text(encoding="utf-8")
    assert text == pages[1].read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert all(f">{name}</text>" in text for name in found.runs)
    assert "http" not in text.replace("http://www.w3.org", "")


def test_the_command_answers_in_words_and_as_json(run_of, tmp_path):
    names = [str(run_of("base")), str(run_of("feature"))]
    said = CliRunner().invoke(app, ["compare", *names, "--html", str(tmp_path / "c.html")])
    assert said.exit_code == 0, said.output
    assert "base and feature differ in settings and what the model sees." in said.stdout
    found = json.loads(CliRunner().invoke(app, ["compare", *names, "--json"]).stdout)
    assert [run["name"] for run in found["runs"]] == ["base", "feature"]
    assert found["pairings"][0]["forecasts"]["test"]["p_two_sided"] > 0
    assert {each["key"] for each in found["differences"]} == {"features.ema_spans", "ema_distance_30"}
