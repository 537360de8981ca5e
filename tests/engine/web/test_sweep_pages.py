"""The surface of a sweep on a page: every cell as it is, no best cell sold as skill, and a way to start one."""

import os
import re
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.sweep.grid import parse_axis
from engine.sweep.job import sweep, write_sweep
from engine.sweep.stored import read_sweep, write_outcome
from engine.sweep.surface import heat_table
from engine.web.jobs.job import Job
from engine.web.pages.working import leads_to
from engine.web.screens.quant.heat import MOST_SIDE, STEPS, Side, heat, shade, shown
from engine.web.screens.quant.sweeps import sweep_screen
from helpers.own_code import write_module
from helpers.run_folders import make_run
from helpers.web import client_in
from helpers.web_people import peopled, second_team, user

MOMENTS = count(10**18, 10**9)  # when files were written
AXES = ("strategy.entry=0:0.3:0.1", "strategy.min_hold_bars=0,5,9", "strategy.stop_loss=none,0.05")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    (folder / "runs").mkdir()
    make_run(folder / "runs" / "one", strategy={"kind": "per_symbol"})
    return folder


@pytest.fixture(scope="module")
def result(folder):
    """A sweep of the run, written as number 001."""
    found = sweep(folder / "runs" / "one", [parse_axis(text) for text in AXES])
    write_sweep(found)
    return found


@pytest.fixture(scope="module")
def browser(folder, result):
    return client_in(folder)


def plain(answer, status=200):
    assert answer.status_code == status, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


# the drawing

cells = arrays(
    np.float64, st.tuples(st.integers(1, 9), st.integers(1, 120)), elements=st.floats(-5, 5) | st.just(np.nan)
)


@given(st.integers(1, 10**5))
def test_a_long_side_is_thinned_evenly_and_keeps_both_ends(count):
    places = shown(count)
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, count - 1)
    assert len(places) == min(count, MOST_SIDE)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 1), st.floats(0, 10))
def test_a_farther_cell_is_never_paler_and_its_side_is_right(middle, value, share, reach):
    near, far = (shade(middle + way * (value - middle), middle, reach) for way in (share, 1.0))
    strength = [0 if each == "even" else int(each[-1]) for each in (near, far)]
    assert strength[0] <= strength[1] <= STEPS
    if far != "even":
        assert far.startswith("more") == (value > middle)


@given(cells, st.floats(-5, 5))
def test_every_cell_that_has_a_value_is_drawn_once(values, middle):
    across = Side("a", tuple(map(str, range(values.shape[1]))))
    down = Side("<b>", tuple(map(str, range(values.shape[0])))) if len(values) > 1 else None
    drawn = str(heat("a over <b>", values, across, down, middle, (0, 0)))
    assert drawn.count('class="heat ') == np.isfinite(values[:, shown(values.shape[1])]).sum()
    assert drawn.count('class="framed"') == 1
    assert "<b>" not in drawn


# the pages


def told(folder, **luck):
    """The first sentence about a sweep whose luck was so."""
    made = read_sweep(folder / "runs" / "one" / "sweeps" / "001")
    changed = replace(made, luck=replace(made.luck, **luck))
    there = folder / "runs" / "one" / "sweeps" / "800"
    there.mkdir(exist_ok=True)
    write_outcome(changed, there)
    os.utime(there / "sweep.json", ns=(next(MOMENTS), next(MOMENTS)))
    return sweep_screen(there, "sharpe", "", "").discounted


@pytest.mark.parametrize(
    ("luck", "said"),
    [
        ({"best_sharpe_annual": None}, "No setting traded"),
        ({"probability": None, "bars": 40}, "40 bars are too few"),
        ({"best_sharpe_annual": 12.0}, "too good to be believed"),
        ({"best_beyond_annual": None}, "of an older version"),
        ({"best_beyond_annual": 0.5, "threshold_annual": 0.75}, "is worth nothing (-0.25). That is not more"),
        ({"against": "cash"}, "Beyond cash"),
        ({"passes": True}, "that is more than luck."),
    ],
)
def test_each_case_of_the_best_has_its_sentence(folder, result, luck, said):
    usual = {
        "best_sharpe_annual": 1.0,
        "best_beyond_annual": 0.9,
        "threshold_annual": 0.4,
        "probability": 0.8,
    }
    assert said in told(folder, **{**usual, "passes": False, **luck})


def test_the_page_says_the_tries_the_discounted_best_and_that_no_cell_is_skill(browser, result):
    text = plain(browser.get("/runs/one/sweeps/001"))
    assert "24 settings were tried." in text
    assert f"reached a Sharpe ratio of {result.luck.best_beyond_annual:.2f} a year" in text
    assert re.search(r"After that discount it is worth (nothing \(-[\d.]+\)|\+[\d.]+)\.", text)
    assert "No best cell is skill." in text
    assert "No best cell is skill." in plain(browser.get("/runs/one/sweeps"))


@pytest.mark.parametrize("metric", ["sharpe", "total_return", "max_drawdown", "turnover_per_year"])
def test_the_table_holds_the_medians_that_the_map_shows(browser, result, metric):
    page = browser.get(f"/runs/one/sweeps/001?metric={metric}").text
    table = page[page.index('aria-label="The surface"') :].partition("</table>")[0]
    rows = [
        re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tbody>.*", table)[0].split("</tr>")
    ]
    found = np.array([[float(cell.replace(",", "")) for cell in row] for row in rows if row])
    expected = heat_table(result, metric)
    np.testing.assert_allclose(found, expected, atol=0.005 if np.abs(expected).max() < 10 else 0.5)


def test_other_axes_can_be_chosen_and_what_is_unknown_gives_the_first(browser):
    turned = plain(browser.get("/runs/one/sweeps/001?across=strategy.stop_loss&down=strategy.entry"))
    assert "Across: strategy.stop_loss. Down: strategy.entry." in turned
    assert "The median is over strategy.min_hold_bars." in turned
    usual = "Across: strategy.entry. Down: strategy.min_hold_bars."
    assert usual in plain(browser.get("/runs/one/sweeps/001?across=x&down=%3Cb%3E&metric=y"))
    assert "Down: strategy.min_hold_bars" in plain(
        browser.get("/runs/one/sweeps/001?across=strategy.entry&down=strategy.entry")
    )


@pytest.mark.parametrize("number", ["002", "1", "%2e%2e", "abc", "001x"])
def test_a_sweep_that_is_not_there_is_not_found(browser, number):
    assert browser.get(f"/runs/one/sweeps/{number}").status_code == 404
    assert browser.get("/runs/none/sweeps").status_code == 404


def test_a_damaged_sweep_is_said_in_the_list_and_alone(folder, browser):
    there = folder / "runs" / "one" / "sweeps" / "900"
    there.mkdir()
    (there / "sweep.json").write_text("{}")
    try:
        assert "damaged: it cannot be read" in plain(browser.get("/runs/one/sweeps"))
        text = plain(browser.get("/runs/one/sweeps/900"), 422)
        assert "sweep 900 of one is damaged" in text
        assert str(folder) not in text
    finally:
        (there / "sweep.json").unlink()
        there.rmdir()


# starting one


def test_the_form_holds_what_is_varied_by_itself_and_queues_what_is_written(folder):
    browser = client_in(folder)
    page = browser.get("/runs/one/sweeps").text
    written = re.search(r"<textarea[^>]*>([^<]*)</textarea>", page)[1]
    assert written.splitlines()[0] == "strategy.entry=0:0.2:0.01"
    answer = browser.post(
        "/runs/one/sweeps", data={"vary": "strategy.entry=0,0.1\r\n\r\n strategy.top=1,2 \n"}
    )
    assert answer.status_code == 303
    job = browser.get("/api/v1" + answer.headers["location"]).json()
    assert (job["kind"], job["settings"]) == (
        "sweep",
        {"run": "one", "vary": ["strategy.entry=0,0.1", "strategy.top=1,2"]},
    )


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("model.hidden=1,2", "only strategy.* and execution.* can be varied"),
        ("strategy.entry", "write it as"),
        ("<script>=1", "&lt;script&gt;"),
    ],
)
def test_what_cannot_be_varied_is_said_beside_what_was_written(browser, vary, said):
    answer = browser.post("/runs/one/sweeps", data={"vary": vary})
    assert answer.status_code == 422
    assert said in answer.text
    assert "<script>=" not in answer.text
    assert vary.replace("<", "&lt;").replace(">", "&gt;") in answer.text


def test_a_strategy_of_ones_own_says_what_to_do_instead(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "import numpy as np\n\ndef policy(outlook, positions, settings):\n    return np.zeros(len(outlook.mean))\n"
    write_module(tmp_path, "mine", text)
    (tmp_path / "runs").mkdir()
    make_run(tmp_path / "runs" / "own", rows=60, strategy={"kind": "mine:policy"})
    text = plain(client_in(tmp_path).get("/runs/own/sweeps"))
    assert "is varied by backtests" in text
    assert "What to vary" not in text


def test_a_finished_sweep_leads_to_its_surface():
    job = Job("1", "sweep", {"run": "one"}, "me", "local", "succeeded", "2026-01-01")
    done = {"run": "/somewhere/runs/one", "name": "one/sweeps/004"}
    assert leads_to(Job(**{**job.to_dict(), "result": done})) == "/runs/one/sweeps/004"


# whose they are


def test_another_team_and_a_viewer_start_none(folder, result, tmp_path):
    owner = peopled(tmp_path)
    runs = owner.app.state.places(owner.get("/api/v1/me").json()["team"]).runs
    make_run(runs / "ours", rows=60)
    assert owner.get("/runs/ours/sweeps").status_code == 200
    assert user(owner, "vera", "viewer").post("/runs/ours/sweeps", data={"vary": ""}).status_code == 403
    other = second_team(owner)
    for path in ("/runs/ours/sweeps", "/runs/ours/sweeps/001"):
        assert other.get(path).status_code == 404
    assert other.post("/runs/ours/sweeps", data={"vary": ""}).status_code == 404
