import re
import runpy
from pathlib import Path

from forewalk.settings.loading import load_settings, settings_from

DOCS = Path(__file__).parents[2] / "docs"
page = runpy.run_path(str(DOCS / "make_settings.py"))["page"]


def leaves(tree, prefix=""):
    for name, value in tree.items():
        key = f"{prefix}{name}"
        section = isinstance(value, dict) and value  # an empty one is a setting that is a table
        yield from leaves(value, key + ".") if section else [key]


def documented(text):
    section = ""
    for line in text.splitlines():
        if heading := re.match(r"## (?:`\[(.+)\]`|Top level)$", line):
            section = f"{heading[1]}." if heading[1] else ""
        elif row := re.match(r"\| `(\w+)` \| (?P<rest>.*) \|$", line):
            yield section + row[1], row["rest"].split(" | ")[-1]


def test_the_page_in_the_repository_is_up_to_date():
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_setting_is_on_the_page_once_and_says_what_it_means():
    rows = list(documented(page()))
    assert sorted(key for key, _ in rows) == sorted(leaves(load_settings(environment={}).model_dump()))
    assert all(meaning.strip() for _, meaning in rows)


def test_the_defaults_on_the_page_are_those_of_the_program():
    assert "| `hidden_size` | `32` | whole number, ≥ 1, ≤ 2048 |" in page()
    assert settings_from({}).model.hidden_size == 32
