import base64
import io
import re
import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from engine.report.charts import evidence as charts

TIMES = pd.date_range("2015-01-02 21:00", periods=300, freq="B", tz="UTC")
GENERATOR = np.random.default_rng(0)
WALK = 100_000 * np.exp(np.cumsum(GENERATOR.normal(0, 0.01, 300)))
EMPTY = np.array([])

DRAWN = {
    "calibration": lambda: charts.calibration_chart(
        np.array([0.45, 0.5, 0.55]), np.array([0.48, 0.5, 0.53]), np.array([50.0, 80.0, 0.0])
    ),
    "calibration of nothing": lambda: charts.calibration_chart(EMPTY, EMPTY, EMPTY),
    "monthly": lambda: charts.monthly_chart(TIMES, GENERATOR.normal(size=300), "rank IC"),
    "monthly of nothing": lambda: charts.monthly_chart(TIMES, np.full(300, np.nan), "rank IC"),
    "skill": lambda: charts.skill_chart(
        ["ridge", "<b>"], np.array([0.01, -0.02]), np.array([0.0, -0.03]), np.array([0.02, -0.01]), "skill"
    ),
    "skill of nothing": lambda: charts.skill_chart([], EMPTY, EMPTY, EMPTY, "skill"),
    "fan": lambda: charts.fan_chart(TIMES, WALK, {"held": WALK * 1.1}, {"95 %": (WALK * 0.8, WALK * 1.2)}),
    "costs": lambda: charts.cost_chart(
        ["0 bp", "5 bp"], ["now", "late"], np.array([[1.0, 0.5], [0.2, np.nan]])
    ),
    "costs of nothing": lambda: charts.cost_chart([], [], np.empty((0, 0))),
    "trials": lambda: charts.trials_chart(GENERATOR.normal(size=50), 0.5, 1.2),
    "one trial": lambda: charts.trials_chart(np.array([0.5]), 0.5, 0.0),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN.keys())
def test_every_chart_is_one_well_formed_picture_that_asks_nobody_for_anything(draw):
    svg = draw()
    root = ET.fromstring(svg.replace("xlink:", ""))  # inside HTML the prefix needs no declaration
    assert root.tag == "svg"
    assert root.get("aria-label")
    assert "http" not in svg


def test_the_white_cell_of_a_grid_of_costs_is_what_holding_gave():
    ratios = np.array([[0.4, 0.9, 1.9]])
    svg = charts.cost_chart(["0 bp"], ["a", "b", "c"], ratios, held=0.9)
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", svg)[1])
    cells = matplotlib.image.imread(io.BytesIO(picture), format="png")[:, :, :3]
    middle = cells[cells.shape[0] // 2, (np.array([1, 3, 5]) * cells.shape[1]) // 6]
    worse, same, better = middle
    assert same.min() > 0.95
    assert worse[2] > worse[0]  # purple and orange
    assert better[0] > better[2]


def test_the_same_numbers_give_the_same_bytes():
    one, two = (charts.trials_chart(np.linspace(-1, 1, 30), 0.5, 1.2) for _ in range(2))
    assert one == two


def test_a_name_with_markup_is_shown_as_text():
    assert "&lt;b&gt;" in DRAWN["skill"]()
