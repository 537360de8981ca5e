"""The six steps in Debian's Chromium, at the width of a phone and of a desk, by mouse and by keyboard alone.

Every page that is met is looked over by axe; no request may leave this machine, and no policy be violated.
"""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.sweep.job import sweep, write_sweep
from helpers.making import make_bars
from helpers.own_code import price_table
from helpers.run_folders import make_small_run
from helpers.web import server
from helpers.web_content import write_book

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make install")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium: apt-get install chromium")
SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
STEPS = ("Track record", "What if", "Luck")
MOST_TABS = 80
CUT = """() => [...document.querySelectorAll('.wide')]
    .filter((each) => window.innerWidth < 640 && each.scrollWidth > each.clientWidth + 1)
    .map((each) => each.getAttribute('aria-label'))"""
VIOLATIONS = "() => axe.run().then((r) => r.violations.map((v) => `${v.id}: ${v.nodes[0].html}`))"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server with a run and a paper book whose order waits; yields its address and folder."""
    folder = tmp_path_factory.mktemp("site")
    make_small_run(folder / "runs" / "one")
    write_sweep(sweep(folder / "runs" / "one"))
    (folder / "book").mkdir()
    file, _ = write_book(folder / "book")
    with server(folder, "--paper", file) as (_, address):
        yield address, folder


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe():
    from axe_playwright_python.base import AXE_FILE_PATH  # the package carries the script

    return Path(AXE_FILE_PATH).read_text(encoding="utf-8")


class Visit:
    """A person at the pages: what is met is noted, and looked over."""

    def __init__(self, page, address, axe):
        self.page, self.address, self.axe = page, address, axe
        self.problems = []
        page.on("console", lambda said: said.type == "error" and self.problems.append(said.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._asked)

    def _asked(self, request):
        if not request.url.startswith((self.address, "data:")):
            self.problems.append(f"asked {request.url}")

    def open(self, path):
        self.page.goto(self.address + path)
        self.look()

    def click(self, role, name):
        with self.page.expect_navigation():
            self.page.get_by_role(role, name=name, exact=True).first.click()
        self.look()

    def press(self, role, name):
        """Reach it by Tab alone and press Enter."""
        wanted = self.page.get_by_role(role, name=name, exact=True).first.element_handle()
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("(each) => document.activeElement === each", wanted):
                break
        else:
            raise AssertionError(f"{name} is not reached by Tab")
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self.look()

    def look(self):
        """No violation of axe's rules, nothing wider than the window, no table cut on a phone, no problem noted."""
        self.page.wait_for_load_state()
        self.page.evaluate(self.axe)
        found = self.page.evaluate(VIOLATIONS)
        assert found == [], self.page.url
        wide = self.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{self.page.url} is {wide} pixels wider than the window"
        assert self.page.evaluate(CUT) == [], f"{self.page.url}: tables that are cut on a phone"
        assert self.problems == [], self.page.url

    def heading(self):
        return self.page.get_by_role("heading", level=1).inner_text()

    def text(self):
        return self.page.get_by_role("main").inner_text()


@pytest.fixture
def visit(chromium, site, axe):
    address, _ = site
    with ExitStack() as stack:

        def begin(size, **more):
            context = chromium.new_context(viewport=SIZES[size], **more)
            stack.callback(context.close)
            return Visit(context.new_page(), address, axe)

        yield begin


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["click", "press"])
def test_the_screens_of_a_run_one_after_the_other(visit, size, how):
    person = visit(size)
    act = getattr(person, how)
    person.open("/")
    assert person.heading() == "What do you want to look at?"
    act("link", "one")
    assert person.heading() == "What may happen next?"
    assert re.search(r"will most likely end between", person.text())
    for step, question in zip(STEPS, ("How good", "What would", "Is it more than luck"), strict=True):
        act("link", step)
        assert person.heading().startswith(question)
    act("link", "On paper")
    assert "nothing here is real money" in person.text()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_page_in_the_light_and_in_the_dark(visit, scheme):
    person = visit("phone", color_scheme=scheme)
    for path in (
        "/",
        "/runs",
        "/words",
        "/login",
        "/setup",
        "/runs/none/luck",
        "/compare",
        "/runs/one/expert",
        "/runs/one/trades",
        "/runs/one/account",
        "/runs/one/texts",
        "/runs/one/sweeps",
        "/runs/one/sweeps/001",
        "/tries",
        "/paper/drift",
        "/settings",
    ):
        person.page.goto(person.address + path)
        if path == "/runs/none/luck":
            person.problems.clear()  # the browser notes the 404 that it was sent
        person.page.evaluate(
            "() => document.querySelectorAll('details').forEach((each) => (each.open = true))"
        )
        person.look()
    for step in ("tomorrow", "record", "what-if", "luck"):
        person.open(f"/runs/one/{step}")
        for summary in person.page.locator("summary").all():
            summary.click()
        person.look()


def test_the_experts_page_is_shown_in_its_frame(visit):
    person = visit("desk")
    person.open("/runs/one/expert")
    frame = person.page.frame_locator("iframe")
    playwright.expect(frame.get_by_role("heading", level=1)).to_contain_text("Backtest")


def test_the_account_is_read_day_by_day_and_drawn_closer_by_keyboard_without_a_reload(visit):
    person = visit("phone")
    person.open("/runs/one/account")
    asked = []
    person.page.on("request", lambda request: asked.append(request.url))
    slider, said = person.page.get_by_label("One day of it"), person.page.locator("#day-said")
    playwright.expect(slider).to_be_visible()
    slider.focus()
    person.page.keyboard.press("Home")
    first = said.inner_text()
    person.page.keyboard.press("ArrowRight")
    playwright.expect(said).not_to_have_text(first)
    assert re.match(r"\d{4}-\d\d-\d\d: [\d,]+, just holding [\d,]+; -?[\d.]+ % below", first)
    chart = person.page.get_by_role("img", name=re.compile("Value of the account"))
    whole = chart.get_attribute("aria-label")
    person.page.get_by_role("button", name="Closer around this day").press("Enter")
    playwright.expect(chart).not_to_have_attribute("aria-label", whole)
    assert [url for url in asked if "/series?" not in url] == []
    person.look()
    person.page.get_by_role("button", name="All of it").press("Enter")
    playwright.expect(person.page.get_by_text(re.compile("bars of this window are drawn"))).to_be_visible()


def test_a_file_is_looked_at_run_and_stopped(visit, tmp_path):
    file = tmp_path / "prices.csv"
    price_table(make_bars(300, 2)).to_csv(file, index=False)
    person = visit("phone")
    person.open("/")
    person.page.get_by_label("Price file").set_input_files(file)
    person.click("button", "Look at the file")
    assert "This is understood as 600 prices of 2 symbols" in person.text()
    person.click("button", "That is right: go on")
    if person.page.get_by_role("button", name="Stop it").is_visible():
        person.page.get_by_role("button", name="Stop it").click()
    playwright.expect(person.page.get_by_role("heading", level=1)).to_have_text(
        re.compile("Stopped|could not be done")
    )


def test_without_scripts_every_page_is_whole(visit):
    person = visit("phone", java_script_enabled=False)
    person.page.goto(f"{person.address}/runs/one/tomorrow")
    assert "will most likely end between" in person.page.content()
    person.page.get_by_role("link", name="Luck", exact=True).click()
    assert "Is it more than luck?" in person.page.content()


def test_an_order_is_approved_and_everything_is_stopped(visit):
    person = visit("phone")
    person.open("/paper")
    person.press("button", "Approve")
    assert "Approved." in person.text()
    playwright.expect(person.page.get_by_role("button", name="Approve")).to_have_count(0)
    person.click("button", "Stop everything")
    assert "Stopped: stopped by hand" in person.text()


def test_the_first_screen_is_light(visit):
    person = visit("phone")
    sizes = []
    person.page.on("response", lambda answer: sizes.append(len(answer.body())))
    person.open("/")
    assert 0 < sum(sizes) < 150_000


def test_a_file_of_doubtful_dates_is_answered_with_one_of_two_buttons_by_keyboard(visit, tmp_path):
    file = tmp_path / "doubtful.csv"
    rows = [f"{day:02}/0{1 + day % 2}/2018,{100 + day}.5" for day in range(3, 12)]
    file.write_text("\n".join(["date,close", *rows, ""]), encoding="utf-8")
    person = visit("phone")
    person.open("/")
    person.page.get_by_label("Price file").set_input_files(file)
    person.click("button", "Look at the file")
    assert "Which is it?" in person.text()
    person.press("button", "3 February 2018")
    assert "This is understood as 9 prices" in person.text()
    playwright.expect(person.page.get_by_role("button", name="That is right: go on")).to_be_visible()
