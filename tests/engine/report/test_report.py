import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.evidence import universe_metrics
from engine.evaluation.metrics.alarms import Alarm
from engine.report.over_time import conformal_table
from engine.report.pages import write_forecast_page, write_index
from engine.report.tearsheet import write_tearsheet
from forewalk.data.quality import QualityReport
from helpers.judged_runs import Judged, judge, make_judged


def forecast_page(run: Judged, path):
    write_forecast_page(path, run.subject, run.evidence, run.quality, run.curves, run.verdict)


def front_page(run: Judged, path):
    write_index(path, run.subject, run.evidence.metrics, run.verdict)


WRITERS = {"forecast.html": forecast_page, "index.html": front_page}
VOID = {"meta", "link", "br", "hr", "img", "input", "use", "path", "rect", "image"}


class Balanced(HTMLParser):
    """Collects tags and fails on a tag closed that was not the last one opened."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parse(page):
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def fetches(page):
    """Addresses that a browser would load or follow to another host."""
    addresses = re.findall(r'(?:src|href|action|data)\s*=\s*["\']?\s*((?:https?:)?//[^"\'\s>]+)', page)
    return addresses + re.findall(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)", page)


@pytest.fixture(scope="module")
def pages(judged, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, write in WRITERS.items():
        write(judged, folder / name)
    account = judged.subject.simulation.equity
    write_tearsheet(
        account, folder / "tearsheet.html", "<b>X</b>", {"k<i>": "v<script>alert(1)</script>"}, 252
    )
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.mark.parametrize("name", [*WRITERS, "tearsheet.html"])
def test_a_page_opens_without_a_network_and_runs_no_script(pages, name):
    assert fetches(pages[name]) == []
    tags = set(re.findall(r"<([a-z0-9]+)", pages[name]))
    assert {"html", "body", "table", "svg"} <= tags
    assert tags & {"script", "link", "iframe", "object", "embed"} == set()
    assert "<script" not in pages[name]
    assert "onload" not in pages[name]


@pytest.mark.parametrize("name", [*WRITERS, "tearsheet.html"])
def test_text_that_a_user_chose_is_escaped(pages, name):
    assert "<b>X" not in pages[name]
    assert name == "index.html" or "&lt;b&gt;X&lt;/b&gt;" in pages[name]


@pytest.mark.parametrize("name", WRITERS)
def test_the_verdict_is_the_first_paragraph_after_the_heading(pages, name, judged):
    text = " ".join("".join(parse(pages[name]).text).split())
    assert text.index(judged.verdict) < text.index("Strategy" if name == "index.html" else "Errors beside")


def with_luck(judged, probability, p_greater, claimed, alarms=(), against="buy_and_hold"):
    """The run with other outcomes of its tests."""
    metrics = judged.evidence.metrics
    deflated = replace(metrics.luck.deflated, probability=probability)
    alpha = replace(metrics.luck.alpha, p_greater=p_greater)
    luck = replace(metrics.luck, deflated=deflated, alpha=alpha, against=against)
    first, *rest = metrics.forecast.claims.questions
    asked = (replace(first, claimed=claimed), *(replace(other, claimed=False) for other in rest))
    claims = replace(metrics.forecast.claims, questions=asked)
    forecast = replace(metrics.forecast, claims=claims)
    changed = replace(metrics, luck=luck, forecast=forecast, alarms=alarms)
    return replace(judged, evidence=replace(judged.evidence, metrics=changed))


ALARM = (Alarm("mean rank IC a bar", 0.9678, 0.15),)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("outcome", "box"),
    [
        ({"probability": 0.99, "p_greater": 0.01, "claimed": True}, "verdict good"),
        ({"probability": 0.90, "p_greater": 0.01, "claimed": True}, "verdict"),
        ({"probability": None, "p_greater": 0.01, "claimed": True}, "verdict"),
        ({"probability": 0.99, "p_greater": 0.01, "claimed": False}, "verdict"),
        ({"probability": 0.99, "p_greater": 0.5, "claimed": True, "against": "cash"}, "verdict"),
        ({"probability": 0.99, "p_greater": 0.01, "claimed": True, "alarms": ALARM}, "verdict alarm"),
    ],
)
def test_the_box_is_green_where_skill_and_account_pass_and_red_before_anything_too_good(
    judged, tmp_path, name, outcome, box
):
    WRITERS[name](with_luck(judged, **outcome), tmp_path / name)
    tags = [dict(attributes) for tag, attributes in parse((tmp_path / name).read_text()).seen if tag == "p"]
    (shown,) = [tag for tag in tags if tag.get("class", "").startswith("verdict")]
    assert shown["class"] == box
    assert (shown.get("role") == "alert") == (box == "verdict alarm")


def test_clark_west_and_pesaran_timmermann_stand_on_the_page_with_their_p(pages):
    text = " ".join("".join(parse(pages["forecast.html"]).text).split())
    asked = text[text.index("What may be claimed") : text.index("Beside other forecasters")]
    for question in ("Clark-West", "rank IC above 0", "Pesaran-Timmermann", "p for all together (Holm)"):
        assert question in asked


@pytest.mark.parametrize("name", WRITERS)
def test_ids_on_a_page_are_unique(pages, name):
    ids = [attributes["id"] for _, attributes in parse(pages[name]).seen if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_run_gives_the_same_bytes(pages, name, judged, tmp_path):
    WRITERS[name](judged, tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8") == pages[name]


def test_the_tearsheet_is_the_same_bytes_every_time(judged, tmp_path):
    for name in ("a.html", "b.html"):
        write_tearsheet(judged.subject.simulation.equity, tmp_path / name, "run", {}, 252)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_the_forecast_page_shows_every_part(pages):
    page = pages["forecast.html"]
    wanted = ("MAE, return", "MSE, price", "Direction right", "Diebold-Mariano", "fold-03", "training loss")
    assert [part for part in (*wanted, "rsi_14", "only 10 bars, 252 needed") if part not in page] == []
    assert page.count("<svg") == 6 + 3 + 7  # paths; scatter, folds, training; how far to believe it


def test_tables_stop_at_thirty_rows_and_say_how_many_are_left(tmp_path):
    run = make_judged(symbols=[f"S{i:03d}" for i in range(37)], bars=520, seeds=1)
    forecast_page(run, tmp_path / "f.html")
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert "S029" in page
    assert "S030" not in page
    assert "and 7 more symbols" in page


def test_a_wide_and_long_run_still_gives_a_page_of_moderate_size(tmp_path):
    symbols = [f"S{i:03d}" for i in range(218)]
    forecast_page(make_judged(symbols, bars=2600, train_bars=1250), tmp_path / "f.html")
    assert (tmp_path / "f.html").stat().st_size < 3_000_000


def test_the_index_links_its_neighbours_by_relative_address(pages, judged, tmp_path):
    assert 'href="tearsheet.html"' in pages["index.html"]
    subject, metrics = judged.subject, judged.evidence.metrics
    write_index(tmp_path / "i.html", subject, metrics, "", {"my notes#1.txt": "<i>mine</i>"})
    page = (tmp_path / "i.html").read_text(encoding="utf-8")
    assert 'href="my%20notes%231.txt"' in page
    assert "&lt;i&gt;mine" in page


def test_a_run_without_forecasts_trades_or_epochs_gives_valid_pages(tmp_path):
    subject = make_judged(exposed=0.0).subject
    nothing = np.full_like(subject.actual, np.nan)
    subject = replace(subject, actual=nothing, folds=(), panel=replace(subject.panel, names=()))
    run = Judged(subject, judge(subject), QualityReport("", 0, 0), (), "Nothing is known.")
    for name, write in WRITERS.items():
        write(run, tmp_path / name)
        parse((tmp_path / name).read_text(encoding="utf-8"))


def test_a_symbol_without_a_forecast_is_not_counted_in_a_header(judged, tmp_path):
    mean = judged.subject.forecasts.mean.copy()
    mean[:, 0] = np.nan
    subject = replace(judged.subject, forecasts=replace(judged.subject.forecasts, mean=mean))
    metrics = replace(
        judged.evidence.metrics,
        universe=universe_metrics(subject.bars, subject.forecasts, subject.settings),
    )
    run = replace(judged, subject=subject, evidence=replace(judged.evidence, metrics=metrics))
    for name, write in WRITERS.items():
        write(run, tmp_path / name)
        assert "6 symbols," in (tmp_path / name).read_text(encoding="utf-8").split("</header>")[0]
    assert "6 of 7 symbols loaded" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_intervals_that_failed_are_shown_widened_where_that_is_asked_for(judged, tmp_path):
    told = judged.subject.forecasts
    narrow = replace(judged.subject, forecasts=replace(told, std=told.std / 2))
    settings = judged.subject.settings
    asked = settings.model_copy(
        update={"evaluation": settings.evaluation.model_copy(update={"conformal": True})}
    )
    for given, shown in ((settings, False), (asked, True)):
        forecast_page(replace(judged, subject=replace(narrow, settings=given)), tmp_path / "f.html")
        page = (tmp_path / "f.html").read_text(encoding="utf-8")
        parse(page)
        assert ("Widened by what had come before" in page) is shown
    for _, before, after, _ in conformal_table(narrow.forecasts, narrow.actual).rows:
        assert percent(after) > percent(before) + 0.02


def test_the_only_try_has_no_chart_of_tries(judged, tmp_path):
    alone = replace(judged.evidence, trial_sharpes=np.array([0.5]))
    drawn = []
    for number, evidence in enumerate((judged.evidence, alone)):
        forecast_page(replace(judged, evidence=evidence), tmp_path / f"{number}.html")
        drawn.append("lucky tries" in (tmp_path / f"{number}.html").read_text(encoding="utf-8"))
    assert drawn == [True, False]


def test_the_tearsheet_agrees_with_our_headline_metrics(pages, judged):
    strategy, page = judged.evidence.metrics.strategy, pages["tearsheet.html"]
    cells = dict(
        re.findall(r"<tr><td>([^<]+)</td><td>[^<]*</td><td>([^<]*)</td></tr>", page.replace("\n", ""))
    )
    rows = {re.sub(r"[^A-Za-z ]", "", key).strip(): value for key, value in cells.items()}
    assert float(rows["Sharpe"]) == pytest.approx(strategy.sharpe_annual, abs=0.006)
    assert percent(rows["CAGR"]) == pytest.approx(strategy.cagr, abs=6e-5)
    assert percent(rows["Max Drawdown"]) == pytest.approx(strategy.max_drawdown, abs=6e-5)


def test_a_strategy_flat_at_first_is_reported_from_its_first_bar(tmp_path):
    write_tearsheet(account(300, flat=200), tmp_path / "t.html", "run", {}, 252)
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert " 2 Jan, 2020" in page


@pytest.mark.parametrize("bars", [1, 2, 9, 300])
def test_a_strategy_that_never_trades_gets_a_short_page(tmp_path, bars):
    write_tearsheet(account(bars, flat=bars), tmp_path / "t.html", "<b>X</b>", {"<i>": "&"}, 252)
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    text = "".join(parse(page).text)
    assert "The account never moved" in text
    assert "<b>X</b>" in text
    assert fetches(page) == []


def test_a_handful_of_bars_gets_a_short_page(tmp_path):
    write_tearsheet(account(5), tmp_path / "t.html", "run", {}, 252)
    assert "Only 5 bars" in (tmp_path / "t.html").read_text(encoding="utf-8")


def test_a_benchmark_that_never_moves_is_left_out(tmp_path):
    frame = account(120).assign(benchmark=1e5)
    write_tearsheet(frame, tmp_path / "t.html", "run", {}, 252)
    assert "Buy and hold" not in (tmp_path / "t.html").read_text(encoding="utf-8")


def test_hourly_bars_keep_their_hours(tmp_path):
    frame = account(200).assign(time=pd.date_range("2020-01-02 15:00", periods=200, freq="h", tz="UTC"))
    write_tearsheet(frame, tmp_path / "t.html", "run", {}, 1764.5)
    assert "Periods/Year: 1764" in (tmp_path / "t.html").read_text(encoding="utf-8")


def account(bars, flat=0):
    random = np.random.default_rng(bars)
    own, held = random.normal(0.0005, 0.01, (2, bars))
    own[: max(flat, 1)] = held[0] = 0
    times = pd.bdate_range("2020-01-02", periods=bars, tz="UTC") + pd.Timedelta(hours=21)
    curves = {"equity": 1e5 * np.cumprod(1 + own), "benchmark": 1e5 * np.cumprod(1 + held)}
    return pd.DataFrame({"time": times, "gross_exposure": 1.0, **curves})


def percent(text):
    return float(text.strip("%")) / 100


@pytest.mark.parametrize("write", [write_forecast_page, write_index], ids=["forecast.html", "index.html"])
def test_shares_counted_from_adjusted_prices_are_said_where_the_page_tells_of_the_data(
    judged, tmp_path, write
):
    path, scaled = tmp_path / "page.html", replace(judged.quality, adjusted=("AAA",))
    for quality, said in ((judged.quality, False), (scaled, True)):
        if write is write_index:
            write_index(path, judged.subject, judged.evidence.metrics, judged.verdict, quality=quality)
        else:
            write_forecast_page(path, judged.subject, judged.evidence, quality, judged.curves, judged.verdict)
        data = path.read_text().partition("<h2>Data")[2]
        assert ("Shares are counted from adjusted prices (AAA)" in data) == said
