"""The documentation site: its pages, its navigation, its search for dead links, and what its reference pages name."""

import re
import runpy
from dataclasses import fields

import pytest

from engine.evaluation.subject import Metrics
from engine.report.pages import RUN_FILES
from helpers.making import REPOSITORY
from helpers.run_folders import make_run

DOCS = REPOSITORY / "docs"
site = runpy.run_path(str(DOCS / "make_site.py"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return {
        page.name: page.read_text(encoding="utf-8")
        for page in site["write_pages"](tmp_path_factory.mktemp("p"))
    }


def test_every_page_has_its_place_in_the_navigation_and_no_place_is_empty(pages):
    placed = re.findall(
        r": ([\w-]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    notebooks = {
        f"notebook-{path.stem.replace('_', '-')}.md" for path in REPOSITORY.glob("examples/notebooks/*.py")
    }
    assert sorted(placed) == sorted({*pages, *notebooks})


def test_no_link_leaves_the_pages(pages):
    links = [(name, link) for name, text in pages.items() for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    inside = [(name, link.partition("#")[0]) for name, link in links if "://" not in link and link[0] != "#"]
    assert len(inside) > 50
    pictures = {f"pictures/{path.name}" for path in (DOCS / "pictures").iterdir()}
    assert [(name, link) for name, link in inside if link not in {*pages, *pictures}] == []


def test_the_commands_page_names_every_command_and_option(pages):
    from typer.main import get_command

    from engine.cli.app import app

    def walk(command, name):
        yield name, command
        for child, below in getattr(command, "commands", {}).items():
            yield from walk(below, f"{name} {child}")

    found = dict(walk(get_command(app), "forewalk"))
    assert len(found) > 20
    for name, command in found.items():
        section = re.search(
            rf"^##+ {name}\n(.*?)(?=^##+ |\Z)", pages["commands.md"], re.MULTILINE | re.DOTALL
        )
        assert section, name
        options = {
            option for parameter in command.params for option in parameter.opts if option.startswith("-")
        }
        assert [option for option in options if f"`{option}`" not in section[1]] == []


def test_every_example_is_shown_whole(pages):
    for path in REPOSITORY.glob("examples/*.*"):
        assert path.read_text(encoding="utf-8").rstrip() in pages["examples.md"]


def test_dead_links_and_foreign_requests_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">b</a><a href="b.html#not">x</a><a href="c.html">c</a>'
        '<a href="https://example.org">out</a><script src="https://cdn.example/x.js"></script>'
        '<link rel="stylesheet" href="//fonts.example/f.css"><img src="a.png">',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<h2 id="there">B</h2>', encoding="utf-8")
    assert site["broken"](tmp_path) == [
        "a.html: b.html#not leads to no heading",
        "a.html: dead link c.html",
        "a.html: fetches https://cdn.example/x.js",
        "a.html: fetches //fonts.example/f.css",
    ]


def test_every_file_of_a_run_is_on_its_page(tmp_path, pages):
    written = {path.name + ("/" if path.is_dir() else "") for path in make_run(tmp_path / "run").iterdir()}
    named = set(
        re.findall(r"`([\w./]+)`", "".join(re.findall(r"^\| (.*?) \|", pages["files.md"], re.MULTILINE)))
    )
    assert (written | set(RUN_FILES)) - named == set()


def test_every_group_of_metrics_is_on_its_page(pages):
    missing = [item.name for item in fields(Metrics) if f"`{item.name}`" not in pages["metrics.md"]]
    assert missing == []


def test_the_tour_says_in_money_what_the_readme_says_in_percent():
    row = re.search(
        r"^\| total return .*?\| ([\d.]+) % \| ([\d.]+) %",
        (REPOSITORY / "README.md").read_text("utf-8"),
        re.M,
    )
    tour = (DOCS / "tour-investors.md").read_text(encoding="utf-8")
    became = re.search(r"^\| what 10,000 became \| ([\d,]+) \| ([\d,]+) \|", tour, re.M)
    for percent, money in zip(row.groups(), became.groups(), strict=True):
        assert abs(10_000 * (1 + float(percent) / 100) - float(money.replace(",", ""))) <= 5


def test_every_notebook_is_python_whose_cells_begin_with_words():
    for path in REPOSITORY.glob("examples/notebooks/*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# %% [markdown]\n# # "), path.name
        compile(text, path.name, "exec")
