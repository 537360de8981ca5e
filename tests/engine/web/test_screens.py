"""What the screens tell from a run: how often ranges held, whose record it is, what the certificate came to."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.metrics.forecasts.conformal import Widening
from engine.web.screens import luck as luck_of_run
from engine.web.screens.record import FEW, LAST, record
from engine.web.screens.tomorrow import held_share
from helpers.run_folders import make_run
from helpers.web_content import write_log


@pytest.mark.parametrize(
    ("widened", "inside", "cases", "held"),
    [
        ((), {"80": 0.74}, FEW, 0.74),
        ((Widening(0.8, 0.7, 1.2, 0.79),), {"80": 0.7}, FEW, 0.79),
        ((Widening(0.8, 0.83, 1.0),), {"80": 0.83}, FEW, 0.83),
        ((Widening(0.5, 0.4, 1.2, 0.49),), {"80": 0.81}, FEW, 0.81),
        ((Widening(0.8, 0.7, 1.2, None),), {"80": 0.7}, FEW, None),
        ((), {"80": 1.0}, FEW - 1, None),
        ((), None, 0, None),
    ],
)
def test_how_often_such_ranges_held_is_what_was_counted_of_ranges_like_the_one_shown(
    widened, inside, cases, held
):
    each = SimpleNamespace(skill=SimpleNamespace(inside=inside, forecasts=cases))
    assert held_share(each, SimpleNamespace(widened=widened)) == held


def test_the_record_is_of_the_runs_own_symbols_and_horizon(tmp_path):
    run, log = make_run(tmp_path / "run", rows=60), tmp_path / "forecasts.sqlite"
    write_log(log, symbols=("AAPL", "OTHER"), days=FEW + 2)
    found = record(run, log)
    assert {day.symbol for day in found.days} == {"AAPL"}
    assert "From the log" in found.source
    alone = record(None, log)
    assert {day.symbol for day in alone.days} == {"AAPL", "OTHER"}


def test_a_short_log_gives_way_to_the_backtest_and_says_so(tmp_path):
    run, log = make_run(tmp_path / "run", rows=60), tmp_path / "forecasts.sqlite"
    write_log(log, symbols=("AAPL",), days=3)
    assert "The log of real forecasts is still too short" in record(run, log).source


def test_the_counts_are_those_of_the_table(tmp_path):
    run = make_run(tmp_path / "run", rows=60)
    table = pd.read_parquet(run / "forecasts.parquet").dropna(subset="actual").tail(LAST)
    found = record(run, tmp_path / "none.sqlite")
    inside = (np.abs(table["actual"] - table["mean"]) <= 1.2815515655446004 * table["std"]).sum()
    assert f"{inside} ended inside" in found.sentence
    assert len(found.days) == len(table)


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (
            {"clean": True, "values": 1234, "checks": []},
            "No look into the future was found: 1,234 values checked.",
        ),
        (
            {"clean": True, "values": 1, "checks": [], "uncovered": ["mine.py reads a file"]},
            "Not covered: mine.py reads a file.",
        ),
        (
            {"clean": False, "values": 1, "checks": [{"name": "fills", "verdict": "leak"}]},
            "A look into the future was found, by the check of fills.",
        ),
    ],
)
def test_what_the_certificate_came_to(certificate, said):
    assert said in luck_of_run.certificate_words(certificate)
