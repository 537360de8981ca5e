"""A web of made-up pages, and what a fetch of texts is asked for."""

import dataclasses
from datetime import UTC, datetime

from forewalk.data.columns.texts.fetching.wanted import Wanted
from forewalk.data.columns.texts.fetching.web import Answer, Web
from forewalk.errors import DataError
from forewalk.settings.news import NewsSettings

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@dataclasses.dataclass(frozen=True)
class Pages(Web):
    """Answers from a table of addresses; what is no `Answer` is a page of status 200, an error is raised."""

    pages: dict = dataclasses.field(default_factory=dict)
    asked: list = dataclasses.field(default_factory=list)

    def ask(self, method, url, headers=None, form=None, auth=None):
        self.asked.append((method, url, dict(headers or {})))
        page = self.pages.get(url, DataError(f"{url}: HTTP 404; is the address right?"))
        if isinstance(page, Exception):
            raise page
        return page if isinstance(page, Answer) else Answer(200, {}, page)

    @property
    def addresses(self):
        return [url for _, url, _ in self.asked]


def wanted(web, symbols=("AAPL", "MSFT"), now=NOW, first=FIRST, last=None, **settings):
    news = NewsSettings(contact="Tester tester@example.org", **settings)
    return Wanted(symbols, first, last or now, now, news, web)
