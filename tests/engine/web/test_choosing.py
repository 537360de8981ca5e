"""Choosing: companies by name or symbol, the example's prices, and a question about a file that reads in two ways."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.web.screens.companies import NAMES, company, example_prices, symbols_of
from helpers.web import client_in

DOUBTFUL = "date,close\n" + "".join(f"{day:02}/0{1 + day % 2}/2018,{100 + day}.5\n" for day in range(3, 12))
symbols = st.sampled_from([*NAMES])


@given(
    chosen=st.lists(symbols, min_size=1, max_size=10, unique=True), named=st.lists(st.booleans(), min_size=10)
)
def test_names_and_symbols_are_found_in_any_mixture(chosen, named):
    parts = [
        NAMES[each] if by_name and "," not in NAMES[each] else each
        for each, by_name in zip(chosen, named, strict=False)
    ]
    parts += chosen[len(parts) :]
    assert symbols_of(", ".join(parts)) == chosen
    assert symbols_of("\n".join(part.lower() for part in parts)) == chosen


@given(st.text(max_size=40))
def test_whatever_is_written_becomes_symbols_that_come_once(text):
    found = symbols_of(text)
    assert len(set(found)) == len(found)
    assert all(each and not re.search(r"[\s,;]", each) for each in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("aapl msft", ["AAPL", "MSFT"]),
        ("Apple, Coca-Cola; Johnson & Johnson", ["AAPL", "KO", "JNJ"]),
        ("apple microsoft", ["AAPL", "MSFT"]),
        ("Google", ["GOOG"]),
        ("7203.T", ["7203.T"]),
        ("Apple, AAPL", ["AAPL"]),
        (" ,; ", []),
    ],
)
def test_examples_of_what_is_written(text, found):
    assert symbols_of(text) == found


def test_the_example_shows_names_and_last_prices_of_its_own_data(tmp_path):
    from forewalk.data.sources.sample import read_sample

    page = client_in(tmp_path).get("/").text
    table = read_sample()
    for each in example_prices():
        close = table.prices[table.code == table.symbols.index(each.symbol), 3][-1]
        assert float(each.price.replace(",", "")) == pytest.approx(close, rel=0.01)
        assert f"{company(each.symbol)} <small>{each.symbol}</small>" in page
        assert f'aria-label="{company(each.symbol)} over the last year of the example"' in page
    assert {each.symbol for each in example_prices()} >= {"AAPL", "GOOG", "IBM", "MSFT"}


def test_a_company_is_run_by_its_name(tmp_path):
    browser = client_in(tmp_path)
    answer = browser.post("/choose/names", data={"names": "Apple, IBM"})
    job = browser.get("/api/v1" + answer.headers["location"]).json()
    assert job["settings"]["data.symbols"] == ["AAPL", "IBM"]


def test_eleven_companies_are_too_many_and_what_was_written_is_kept(tmp_path):
    answer = client_in(tmp_path).post("/choose/names", data={"names": ", ".join([*NAMES][:11])})
    assert answer.status_code == 422
    assert "Give one to 10 companies" in answer.text
    assert "AAPL, ABBV" in answer.text


def kept(browser, text, name="prices.csv"):
    return browser.post("/choose/file", files={"prices": (name, text)}).headers["location"]


def buttons(page):
    return dict(re.findall(r'<button class="second" name="([^"]+)" value="([^"]+)">', page)), re.findall(
        r'<button class="second" name="[^"]+" value="([^"]+)">([^<]+)</button>', page
    )


def test_a_file_of_doubtful_dates_is_asked_about_with_two_buttons_and_goes_on_with_the_answer(tmp_path):
    browser = client_in(tmp_path)
    where = kept(browser, DOUBTFUL)
    page = browser.get(where).text
    assert (
        "03/02/2018 can be 3 February 2018 or 2 March 2018, and nothing else in the file decides. Which is it?"
        in page
    )
    assert "That is right" not in page
    (setting,), answers = buttons(page)
    assert setting == "data.date_format"
    assert [text for _, text in answers] == ["3 February 2018", "2 March 2018"]
    value = answers[0][0]
    read = browser.get(where, params={setting: value}).text
    assert "This is understood as 9 prices" in read
    assert f'<input type="hidden" name="{setting}" value="{value}">' in read
    answer = browser.post(f"{where}/run", data={setting: value})
    job = browser.get("/api/v1" + answer.headers["location"]).json()
    assert job["settings"][setting] == value
    assert job["settings"]["data.path"].endswith("prices.csv")


def test_a_second_question_keeps_the_first_answer(tmp_path):
    browser = client_in(tmp_path)
    text = "date;close\n" + "".join(f"{day:02}/0{1 + day % 2}/2018;1,{100 + day}\n" for day in range(3, 12))
    where, said = kept(browser, text), {}
    for setting in ("data.date_format", "data.decimal"):
        page = browser.get(where, params=said).text
        (asked,), answers = buttons(page)
        said[asked] = answers[0][0]
        assert setting in said
    page = browser.get(where, params=said).text
    assert "This is understood as 9 prices" in page
    assert all(f'name="{key}" value="{value}"' in page for key, value in said.items())


@pytest.mark.parametrize(
    "query", ["data.date_format=%25Q", "data.decimal=x", "data.date_format=<b>", "data.path=/etc/passwd"]
)
def test_an_answer_that_is_none_is_refused_and_no_other_setting_is_taken(tmp_path, query):
    browser = client_in(tmp_path)
    where = kept(browser, DOUBTFUL)
    answer = browser.get(f"{where}?{query}")
    assert answer.status_code in (200, 422)
    assert "<b>" not in answer.text
    assert "This is understood as" not in answer.text
    assert "root:" not in answer.text


def test_no_other_setting_comes_in_with_the_answer(tmp_path):
    browser = client_in(tmp_path)
    where = kept(browser, DOUBTFUL)
    answer = browser.post(
        f"{where}/run", data={"data.date_format": "%d/%m/%Y", "data.url": "http://evil.example", "jobs": "9"}
    )
    job = browser.get("/api/v1" + answer.headers["location"]).json()
    assert set(job["settings"]) == {"name", "data.source", "data.path", "data.date_format"}


def test_a_file_shows_the_names_of_companies_that_are_known(tmp_path):
    browser = client_in(tmp_path)
    lines = "date,symbol,close\n" + "".join(
        f"2018-01-{day:02},{name},{day}.5\n" for name in ("AAPL", "ZZZZ") for day in range(2, 13)
    )
    page = browser.get(kept(browser, lines)).text
    assert '<th scope="row">AAPL <small>Apple</small></th>' in page
    assert '<th scope="row">ZZZZ</th>' in page
