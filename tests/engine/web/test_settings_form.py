"""The form of settings: every setting of a backtest is in it once, and what is sent is what the job is run with."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from engine.web.screens.settings import SECTIONS, asked, form
from forewalk.errors import ConfigError
from forewalk.settings.loading import load_settings
from forewalk.settings.sections import Settings
from helpers.web import client_in
from helpers.web_people import API, peopled, user

FROM_FILES_ONLY = {
    "data.path", "data.universe", "data.columns_path", "data.events", "data.cache", "data.url", "data.options",
    "features.extra", "model.params", "strategy.params", "evaluation.benchmark", "evaluation.factors",
}  # fmt: skip


class Fields(HTMLParser):
    """The fields of a page by name, each with its attributes, what is in it, and what it offers."""

    def __init__(self, text):
        super().__init__()
        self.names, self.labels, self.values, self.choices, self.ids = [], [], {}, {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.append(found.get("id"))
        if tag == "label":
            self.labels.append(found["for"])
        if tag in ("input", "select"):
            assert found["id"] == found["name"]
            assert found["aria-describedby"] == f"{found['name']}-help"
            self.names.append(found["name"])
            self.values[found["name"]] = found.get("value", "")
            self.choices[found["name"]] = []
        if tag == "option":
            self.choices[self.names[-1]].append(found.get("value"))


def leaves(section, prefix):
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser of a server that runs no job."""
    return client_in(tmp_path_factory.mktemp("form"))


def refusal(name, text):
    """Return what the command line says of a setting; "" where it is taken."""
    try:
        load_settings(overrides=[f"{name}={text}"])
    except ConfigError as error:
        return str(error)
    return ""


def job_of(browser, answer):
    assert answer.status_code == 303, answer.text
    return browser.get(f"{API}{answer.headers['location']}").json()


def test_every_setting_of_a_backtest_is_a_field_once_or_named_as_one_of_a_file(browser):
    text = browser.get("/settings").text
    fields = Fields(text)
    every = [name for section in SECTIONS for name in leaves(getattr(Settings(), section), f"{section}.")]
    assert sorted(fields.names) == sorted([*(set(every) - FROM_FILES_ONLY), "name", "seed"])
    assert sorted(fields.names) == sorted(fields.labels)
    assert set(fields.names) | {f"{name}-help" for name in fields.names} <= set(fields.ids)
    told = re.findall(r"In a settings file only: (.*?)\.</p>", text)
    assert sorted(name for line in told for name in line.split(", ")) == sorted(FROM_FILES_ONLY)
    assert set(fields.values.values()) == {""}
    assert 'href="/settings"' in browser.get("/runs").text


def test_every_choice_and_every_default_is_one_that_the_command_line_takes():
    for part in form(Settings()):
        for field in part.fields:
            asked = ["strategy.kind=per_symbol", f"{field.name}={field.default}"]
            assert load_settings(overrides=asked) == Settings(), field
            for choice in field.choices:  # another setting beside it may be needed
                assert not re.search("input should be|is no ", refusal(field.name, choice))


def test_a_blank_form_asks_for_nothing(browser):
    blank = dict.fromkeys(Fields(browser.get("/settings").text).names, " ")
    job = job_of(browser, browser.post("/settings", data=blank))
    assert (job["kind"], job["settings"]) == ("backtest", {})


TEXTS = {
    "name": st.from_regex(r"[A-Za-z][A-Za-z_-]{0,20}", fullmatch=True).filter(lambda name: name != "none"),
    "strategy.entry": st.floats(0, 10).map(repr),
    "strategy.stop_loss": st.sampled_from(["none", "0.1", "0.25"]),
    "features.ema_spans": st.lists(st.integers(1, 99), min_size=1, max_size=4).map(str),
    "data.symbols": st.sampled_from(["AAPL, MSFT", '["AAPL"]', "AAPL,"]),
    "data.start": st.dates().map(str),
    "model.attention": st.sampled_from(["true", "false"]),
    "execution.rollover": st.sampled_from(["{}", "{AUDJPY = 0.035}"]),
    "label.kind": st.sampled_from(["absolute", "market_relative"]),
}


@settings(max_examples=15, deadline=None)
@given(texts=st.fixed_dictionaries({}, optional=TEXTS))
def test_what_is_sent_is_read_as_the_command_line_reads_it(texts):
    found = asked(texts.items(), TEXTS)
    assert load_settings(overrides=found) == load_settings(
        overrides=[f"{key}={text}" for key, text in texts.items()]
    )
    assert set(found) == set(texts)


def test_the_job_has_what_was_sent_and_nothing_more(browser):
    sent = {
        "name": "mine",
        "data.start": "2005-01-03",
        "features.ema_spans": "5, 10",
        "strategy.entry": "0.1",
        "seed": "",
    }
    job = job_of(browser, browser.post("/settings", data=sent))
    assert job["settings"] == {
        "name": "mine",
        "data.start": "2005-01-03",
        "features.ema_spans": "5, 10",
        "strategy.entry": 0.1,
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("strategy.entry", "much"),
        ("strategy.entry", "-1"),
        ("strategy.tilt", "-1"),
        ("data.start", "01/02/2012"),
        ("features.return_spans", "0, 1"),
        ("model.cell", "lstn"),
        ("data.source", "files"),
        ("data.currency", "{x = 1}"),
        ("data.currency", "[" * 900),
        ("seed", "9" * 900),
        ("name", "../up"),
        ("name", "<script>alert(1)</script>"),
    ],
)
def test_what_is_wrong_is_said_as_on_the_command_line_and_what_was_written_is_kept(browser, name, text):
    with pytest.raises(ConfigError) as refused:
        load_settings(overrides=[f"{name}={text}"])
    before = browser.get(f"{API}/jobs").json()["total"]
    answer = browser.post("/settings", data={name: text, "model.layers": "2"})
    assert answer.status_code == 422
    said = html.unescape(answer.text)
    assert str(refused.value).partition("; ")[2 if name == "data.currency" and "{" in text else 0] in said
    assert 'role="alert"' in answer.text
    assert "<script>" not in answer.text
    fields = Fields(answer.text)
    assert fields.values["model.layers"] == "2"
    kept = fields.values[name] == text or f"<option selected>{text}</option>" in answer.text
    assert kept
    assert browser.get(f"{API}/jobs").json()["total"] == before


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"data.path": "/etc/passwd"}, "'data.path' is not set on this page"),
        ({"live.url": "https://example.com"}, "'live.url' is not set on this page"),
        ({"model.kind": "os:system"}, "code of your own is named in a settings file"),
        ({"data.source": "os:system"}, "code of your own is named in a settings file"),
        ({"seed": ["1", "2"]}, "seed is given twice"),
        ({"seed": "1" * 1001}, "seed: write at most 1000 characters"),
    ],
)
def test_what_no_page_sets_is_refused(browser, data, said):
    answer = browser.post("/settings", data=data)
    assert answer.status_code == 422
    assert said in html.unescape(answer.text)


def test_a_wrong_field_is_marked_and_led_to(browser):
    text = browser.post("/settings", data={"strategy.entry": "much"}).text
    assert '<a href="#strategy.entry">' in text
    assert text.count('aria-invalid="true"') == 1
    assert text.count("<details open>") == 2  # the first, and the one with what was written


def test_a_page_of_another_site_and_a_viewer_run_nothing(tmp_path):
    owner = peopled(tmp_path)
    assert owner.post("/settings", data={}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    viewer = user(owner, "vic", "viewer")
    assert viewer.get("/settings").status_code == 200
    like = viewer.post("/choose/sample")
    answer = viewer.post("/settings", data={})
    assert (answer.status_code, answer.json()["detail"]) == (like.status_code, like.json()["detail"])
    assert answer.status_code == 403
    assert owner.get(f"{API}/jobs").json()["total"] == 0
