"""The tables of `benchmarks.skill` say what the forecasts were worth."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.skill import Judged, lines_of, settings_of


@pytest.fixture
def judged():
    """Two years in which the network ranks better than a reversal, and an account that gains 1 % a bar."""
    times = pd.bdate_range("2019-06-03", "2020-05-29", tz="UTC")
    noise = np.random.default_rng(1).normal(0, 0.01, len(times))
    ranks = {"lstm": 0.03 + noise, "reversal_1": 0.01 + noise - noise.mean()}
    accounts = {name: np.full(len(times), 0.01) for name in (*ranks, "equal_weight")}
    return Judged(times, ranks, {name: values / 2 for name, values in ranks.items()}, accounts)


def test_the_lead_of_the_network_is_the_mean_difference_of_the_same_bars(judged):
    row = next(line for line in lines_of(judged) if line.startswith("| reversal_1"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    lead = 1e4 * (judged.ranks["lstm"] - judged.ranks["reversal_1"]).mean()
    assert cells[3].startswith(f"{lead:.0f} (")
    assert (cells[1].split(" ")[0], cells[2].split(" ")[0]) == ("100", "50")


def test_years_and_decades_stand_apart_and_equal_weight_has_no_ranks(judged):
    lines = lines_of(judged)
    assert [line.split("|")[1].strip() for line in lines if line[2:4] in ("20", "19")] == [
        "2010", "2020", "2019", "2020",
    ]  # fmt: skip
    year = next(line for line in lines if line.startswith("| 2019 |"))
    assert " / " not in year.rpartition("|")[0].rpartition("|")[2]
    assert f"{1.01**252 - 1:.1%}" in year


def test_what_is_compared_learns_the_same_ranks_of_the_same_inputs(tmp_path):
    settings = settings_of(tmp_path / "panel.parquet", 2, 504, {})
    assert (settings.features.cross_section, settings.label.kind) == (True, "rank")
    assert settings.model.max_age_bars >= settings.folds.refit_every_bars
