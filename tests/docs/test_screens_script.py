"""Every page of the web application is among those of which a picture is taken before a release."""

import re
import runpy

import pytest
from fastapi.routing import iter_route_contexts

from engine.web.app import create_app
from helpers.making import REPOSITORY
from helpers.web import options_in

screens = runpy.run_path(str(REPOSITORY / "docs" / "make_screens.py"))
UNSEEN = ("/api/", "/static/", "/metrics", "/health", "/openapi.json", "/scim/")


@pytest.fixture(scope="module")
def routes(tmp_path_factory):
    """The paths that a browser is shown, as they stand in the application."""
    app = create_app(options_in(tmp_path_factory.mktemp("web")))
    return {
        route.path
        for route in iter_route_contexts(app.routes)
        if route.path and "GET" in (route.methods or ()) and not route.path.startswith(UNSEEN)
    }


def test_every_page_is_taken(routes):
    taken = {*screens["PAGES"].values(), *screens["STEPS"].values(), *screens["PEOPLE"].values()}
    taken = {path.partition("?")[0] for path in taken}
    assert {path for path in routes if path not in taken} == set()
    assert {path for path in taken if not path.startswith("/api/")} - routes == {"/runs/none/tomorrow"}


def test_on_a_phone_and_at_a_desk_by_day_and_by_night():
    assert screens["SIZES"]["phone"]["width"] == 390
    assert screens["SIZES"]["desk"]["width"] == 1280
    assert screens["SCHEMES"] == ("light", "dark")


def test_its_file_of_prices_is_one(tmp_path):
    rows = screens["PRICES"].splitlines()
    assert len(rows) == 301
    assert all(re.fullmatch(r"202[34]-\d\d-\d\d(,\d+){5}", row) for row in rows[1:])
