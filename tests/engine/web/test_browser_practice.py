"""Trying it without money, in a browser on a phone: from one click to an approved order that is filled."""

import pytest
from test_browser import CHROMIUM, SIZES, Visit, axe, chromium, playwright  # noqa: F401

from helpers.waiting import PATIENCE_S
from helpers.web import server

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium: apt-get install chromium")
PATIENCE_MS = 1000 * PATIENCE_S


class Watched(Visit):
    """A visit to a page that looks again by itself, perhaps while it is looked over."""

    def look(self):
        try:
            super().look()
        except playwright.Error:  # it has just been loaded anew
            super().look()


def test_orders_are_approved_filled_and_everything_is_stopped(tmp_path, socket_enabled, chromium, axe):  # noqa: F811
    with server(tmp_path) as (_, address):
        context = chromium.new_context(viewport=SIZES["phone"])
        context.set_default_timeout(PATIENCE_MS)
        person = Watched(context.new_page(), address, axe)
        person.open("/paper")
        person.press("button", "Begin to practise")
        assert "Getting ready" in person.text()
        approve = person.page.get_by_role("button", name="Approve", exact=True)
        approve.first.wait_for()  # the page looks again by itself
        person.look()
        orders = approve.count()
        for _ in range(orders):
            person.press("button", "Approve")
        person.page.get_by_text("what you approved is done").wait_for()
        person.look()
        filled = person.page.get_by_role("cell", name="filled", exact=True)
        assert filled.count() == orders >= 1
        person.press("button", "Stop everything")
        assert "Everything is stopped" in person.text()
        nothing = person.page.get_by_role("rowheader", name="nothing", exact=True)
        while not nothing.count():
            person.page.reload()
        person.press("button", "End the practice")
        assert "Begin to practise" in person.text()
        context.close()
