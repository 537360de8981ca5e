"""The pages without a browser: each screen of a run says its sentence, forms lead on, nothing runs in a page."""

import re
from html.parser import HTMLParser

import pytest

from helpers.making import make_bars
from helpers.own_code import price_table
from helpers.run_folders import make_run, make_small_run
from helpers.web import client_in
from helpers.web_content import write_book

SCREENS = {
    "tomorrow": "What may happen next?",
    "record": "How good has it been?",
    "what-if": "What would have happened?",
    "luck": "Is it more than luck?",
}


class Page(HTMLParser):
    """What matters of a page: headings, ids, labels, and whatever could run or be fetched."""

    def __init__(self, text):
        super().__init__()
        self.found, self.levels, self.ids, self.labelled, self.inputs = [], [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.found.append((tag, attributes))
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "label":
            self.labelled.add(attributes["for"])
        if tag == "input" and attributes.get("type") != "hidden":
            self.inputs.append(attributes)

    def check(self):
        """Nothing inline, nothing foreign, one first heading, no level left out, every field has a label."""
        for tag, attributes in self.found:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], (
                tag,
                attributes,
            )
            fetched = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
            assert fetched is None or fetched.startswith("/"), fetched
            assert tag != "style"
        assert self.levels[0] == 1
        assert self.levels.count(1) == 1
        assert all(b - a <= 1 for a, b in zip(self.levels, self.levels[1:], strict=False))
        assert len(self.ids) == len(set(self.ids))
        for field in self.inputs:
            assert field.get("id") in self.labelled or "aria-label" in field, field


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A state folder with a real, small run in it."""
    folder = tmp_path_factory.mktemp("pages")
    make_small_run(folder / "runs" / "one")
    return folder


@pytest.fixture(scope="module")
def browser(folder):
    return client_in(folder)


def seen(answer):
    assert answer.status_code == 200, answer.text
    Page(answer.text).check()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


@pytest.mark.parametrize(("step", "question"), SCREENS.items())
def test_each_screen_answers_its_question_in_the_first_line(browser, step, question):
    text = seen(browser.get(f"/runs/one/{step}"))
    assert question in text
    assert "This is no advice." in text
    first = {
        "tomorrow": r"will most likely end between [\d.,]+ and [\d.,]+\. In \d+ of 100 such cases so far",
        "record": r"Of the last 250 forecasts, \d+ ended inside the range we gave for 80 of 100",
        "what-if": r"10,000 would have become [\d,]+\. Just holding the same companies: [\d,]+",
        "luck": r"(No|Perhaps|Yes|Nothing|Do not)",
    }[step]
    assert re.search(first, text), text[:800]


def test_old_prices_are_said_before_anything_else(browser):
    text = seen(browser.get("/runs/one/tomorrow"))
    assert re.search(r"The newest price is [\d,]+ days old, so this is about a day that has passed", text)


def test_a_forecast_of_a_day_that_has_passed_is_not_written_into_the_log(browser):
    seen(browser.get("/runs/one/tomorrow"))
    assert browser.get("/api/v1/forecasts/latest").json() == []


def test_the_front_page_of_a_run_has_the_same_first_sentence(browser, folder):
    page = (folder / "runs" / "one" / "index.html").read_text(encoding="utf-8")
    plain = re.search(r'<p class="plain">Is it more than luck\? (.*?)</p>', page)[1]
    assert plain in browser.get("/runs/one/luck").text


def test_the_experts_pages_are_shown_in_a_frame_in_which_nothing_runs(browser):
    answer = browser.get("/runs/one/expert?show=tearsheet.html")
    seen(answer)
    assert '<iframe class="expert" sandbox=""' in answer.text
    assert "/api/v1/runs/one/artefacts/tearsheet.html" in answer.text
    assert seen(browser.get("/runs/one/expert?show=../../etc/passwd"))


def test_the_runs_can_be_found(browser):
    assert "one" in seen(browser.get("/runs"))
    assert "no run with" in seen(browser.get("/runs?find=zzz"))
    assert "Choose two runs or more." in seen(browser.get("/compare?run=one"))


def test_the_first_screen_offers_the_example_a_file_and_names(tmp_path):
    text = seen(client_in(tmp_path).get("/"))
    for words in ("Pick up to ten companies", "Look at the example", "Price file", "Names or symbols"):
        assert words in text
    assert len(client_in(tmp_path).get("/").content) < 20_000


def test_a_file_is_looked_at_before_it_is_run(tmp_path):
    browser = client_in(tmp_path)
    table = price_table(make_bars(300, 2)).to_csv(index=False)
    answer = browser.post("/choose/file", files={"prices": ("my prices (1).csv", table)})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/files/my-prices-1-.csv"
    text = seen(browser.get(answer.headers["location"]))
    assert "This is understood as 600 prices of 2 symbols, one for a day, from the New York exchange" in text
    gone_on = browser.post("/files/my-prices-1-.csv/run")
    assert gone_on.status_code == 303
    work = seen(browser.get(gone_on.headers["location"]))
    assert "Waiting for its turn. You may close this page." in work
    assert browser.post(f"{gone_on.headers['location']}/stop").status_code == 303
    assert "Stopped." in seen(browser.get(gone_on.headers["location"]))


def test_a_file_that_is_not_understood_is_refused_in_words(tmp_path):
    browser = client_in(tmp_path)
    where = browser.post("/choose/file", files={"prices": ("x.csv", "a,b\n1,2\n")}).headers["location"]
    text = seen(browser.get(where))
    assert "What to do:" in text
    assert "That is right: go on" not in text


def files_of(folder):
    return {path for path in folder.rglob("*") if path.is_file() and "sqlite" not in path.name}


@pytest.mark.parametrize(
    "name", ["../../x.csv", "..", ".ssh", "a\\b.csv", "<script>.csv", "é.csv", "-", "x" * 300]
)
def test_a_file_name_of_any_kind_becomes_a_plain_one(tmp_path, name):
    browser = client_in(tmp_path)
    before = files_of(tmp_path / "serve")  # the server's own
    answer = browser.post("/choose/file", files={"prices": (name, "a,b\n1,2\n")})
    assert answer.status_code == 303
    assert re.fullmatch(r"/files/[A-Za-z0-9][A-Za-z0-9._-]*", answer.headers["location"])
    assert [path.parent.name for path in files_of(tmp_path / "serve") - before] == ["uploads"]


def test_names_that_are_no_symbols_are_answered_on_the_page(tmp_path):
    browser = client_in(tmp_path)
    answer = browser.post("/choose/names", data={"names": ", ".join(f"A{k}" for k in range(11))})
    assert answer.status_code == 422
    assert "Give one to 10 companies" in answer.text


def test_a_name_with_script_in_it_is_only_text(tmp_path):
    browser = client_in(tmp_path)
    (tmp_path / "runs").mkdir()
    make_run(tmp_path / "runs" / "plain", rows=60)
    answer = browser.post("/choose/names", data={"names": "<script>alert(1)</script> " * 11})
    assert "<script>alert" not in answer.text
    assert "<script>alert" not in browser.get("/runs?find=<script>alert(1)</script>").text


def test_what_is_not_there_is_said_on_a_page_to_a_browser_and_as_a_problem_to_a_program(tmp_path):
    browser = client_in(tmp_path)
    page = browser.get("/runs/none/luck", headers={"Accept": "text/html"})
    assert page.status_code == 404
    Page(page.text).check()
    assert browser.get("/runs/none/luck").headers["content-type"] == "application/problem+json"


def test_without_a_practice_account_the_page_says_how_to_begin_one(tmp_path):
    text = seen(client_in(tmp_path).get("/paper"))
    assert "nothing here is real money" in text
    assert "Begin to practise" in text
    assert "forewalk live --config examples/paper.toml" in text


def test_who_is_not_known_is_led_to_the_log_in(tmp_path):
    browser = client_in(tmp_path, users=True)
    answer = browser.get("/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    secret = browser.app.state.first_owner
    seen(browser.get("/setup"))
    wrong = browser.post("/setup", data={"secret": "no", "name": "Ann", "password": "correct horse battery"})
    assert wrong.status_code == 403
    made = browser.post("/setup", data={"secret": secret, "name": "Ann", "password": "correct horse battery"})
    assert made.headers["location"] == "/login"
    bad = browser.post("/login", data={"name": "Ann", "password": "wrong"})
    assert bad.status_code == 401
    assert "do not belong together" in bad.text
    assert (
        browser.post("/login", data={"name": "Ann", "password": "correct horse battery"}).status_code == 303
    )
    own = {"Sec-Fetch-Site": "same-origin"}
    assert "Log out Ann" in seen(browser.get("/"))
    assert browser.post("/logout", headers=own).headers["location"] == "/login"
    assert browser.get("/", headers={"Accept": "text/html"}).status_code == 303


def test_the_words_lead_to_their_meaning(tmp_path):
    browser = client_in(tmp_path)
    ids = Page(browser.get("/words").text).ids
    import engine.web.pages.rendering as rendering

    templates = "".join(file.read_text(encoding="utf-8") for file in rendering.TEMPLATES.rglob("*.html"))
    linked = set(re.findall(r"/words#([\w-]+)", templates))
    assert linked
    assert linked <= set(ids)


def test_a_link_cannot_put_words_into_the_page_of_the_book(tmp_path):
    file, _ = write_book(tmp_path)
    browser = client_in(tmp_path, paper=file)
    assert "call this number" not in browser.get("/paper?said=call this number&by=0").text
    shown = re.search(r'name="nonce" value="(\w+)"', browser.get("/paper").text)[1]
    done = browser.post("/paper/approve", data={"order": "order-1", "nonce": shown})
    assert "Approved. It is sent within a minute." in browser.get(done.headers["location"]).text


def test_a_second_file_of_a_name_leaves_the_first_as_it_is(tmp_path):
    browser = client_in(tmp_path)
    where = [
        browser.post("/choose/file", files={"prices": ("prices.tar.csv", text)}).headers["location"]
        for text in ("a,b\n1,2\n", "a,b\n3,4\n")
    ]
    assert where == ["/files/prices.tar.csv", "/files/prices-2.tar.csv"]
    kept = {path.name: path.read_text() for path in (tmp_path / "serve").rglob("prices*")}
    assert kept == {"prices.tar.csv": "a,b\n1,2\n", "prices-2.tar.csv": "a,b\n3,4\n"}


def test_an_empty_file_is_answered_on_the_page(tmp_path):
    answer = client_in(tmp_path).post("/choose/file", files={"prices": ("prices.csv", "")})
    assert (answer.status_code, "not empty" in answer.text) == (422, True)
