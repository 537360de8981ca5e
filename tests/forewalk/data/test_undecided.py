"""A file that can be read in several ways asks one question, and each of its answers reads the file."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.checking import check
from forewalk.errors import Undecided
from forewalk.settings.sections import DataSettings

CLOCKS = {
    "": "",
    " 09:30": "h:m",
    " 09:30:00": "h:m:s",
    "T16:00": "T",
    " 9:30 AM": "half a day",
    " 04:00PM": "half",
}


def looked_at(path, lines, **settings):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return check(DataSettings(source="files", path=path, symbol="X", **settings))


def asked(path, lines, **settings):
    found = looked_at(path, lines, **settings)
    assert isinstance(found.question, Undecided), found.problem
    return found.question


@given(
    marks=st.sampled_from("/.-"),
    clock=st.sampled_from([*CLOCKS]),
    days=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=2, max_size=8, unique=True),
)
def test_every_answer_about_dates_reads_every_row_of_the_file(tmp_path_factory, marks, clock, days):
    days = [pair for pair in days if pair[0] != pair[1]] or [(1, 2)]
    rows = [f"{a:02}{marks}{b:02}{marks}2018{clock},{n + 1}.5" for n, (a, b) in enumerate(days)]
    path = tmp_path_factory.mktemp("asked") / "prices.csv"
    question = asked(path, ["date,close", *rows])
    assert question.setting == "data.date_format"
    read = {}
    for value, means in question.answers:
        found = looked_at(
            path,
            ["date,close", *rows],
            date_format=value,
            calendar="24/7",
            interval="1d" if clock == "" else None,
        )
        assert found.question is None
        read[value] = means
    assert len(set(read.values())) == len(question.answers) == 2
    for means in read.values():
        assert re.fullmatch(r"\d{1,2} [A-Z][a-z]+ 2018", means)


def test_the_answers_say_in_words_what_the_example_means(tmp_path):
    question = asked(tmp_path / "a.csv", ["date,close", "01/02/2018,1.5", "03/04/2018,2.5"])
    assert question.example == "01/02/2018"
    assert question.answers == (("%d/%m/%Y", "1 February 2018"), ("%m/%d/%Y", "2 January 2018"))


@pytest.mark.parametrize(("value", "first"), [("%d/%m/%Y", date(2018, 2, 1)), ("%m/%d/%Y", date(2018, 1, 2))])
def test_an_answer_is_what_the_file_is_read_as(tmp_path, value, first):
    found = looked_at(
        tmp_path / "a.csv",
        ["date,close", "01/02/2018,1.5", "05/02/2018,2.5"],
        date_format=value,
        calendar="24/7",
    )
    assert found.usable
    assert found.to_dict()["symbols"]["X"]["first"] == first.isoformat()


@pytest.mark.parametrize(
    ("lines", "setting", "answers"),
    [
        (["date,close", "01022018,1.5", "03042018,2.5"], "data.date_format", 2),
        (["date;close", "2018-01-02;1,234", "2018-01-03;1,236"], "data.decimal", 2),
        (["date,close", "10-Jan-12,1.5", "11-Jan-05,2.5", "12-Jan-09,3.5"], "data.date_format", 2),
        (["date,close", "01/02/03,1.5", "02/03/04,2.5"], "data.date_format", 3),
    ],
)
def test_each_doubt_names_the_setting_that_decides_it(tmp_path, lines, setting, answers):
    path = tmp_path / "a.csv"
    question = asked(path, lines)
    assert (question.setting, len(question.answers)) == (setting, answers)
    told = looked_at(path, lines).to_dict()["question"]
    assert [each["value"] for each in told["answers"]] == [value for value, _ in question.answers]
    for value, _ in question.answers:
        again = looked_at(path, lines, **{setting.removeprefix("data."): value})
        assert again.question is None, again.problem


def test_a_file_that_is_wrong_asks_nothing(tmp_path):
    assert "question" not in looked_at(tmp_path / "a.csv", ["nothing"]).to_dict()
