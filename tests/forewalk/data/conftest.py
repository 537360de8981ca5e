"""Shared data, and a Yahoo that answers from recorded bodies."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter


class RecordedYahoo(HTTPAdapter):
    """Answers /v8/finance/chart/<symbol> from a dict of bodies, all else with 404 or the given fault."""

    def __init__(self, bodies: dict[str, str], fault: int | Exception | None = None) -> None:
        super().__init__()
        self.bodies, self.fault, self.asked = bodies, fault, []

    def send(self, request, *args, **kwargs):
        path = unquote(urlsplit(request.url).path)
        self.asked.append(path)
        if isinstance(self.fault, Exception):
            raise self.fault
        symbol = path.rpartition("/")[2] if "/v8/finance/chart/" in path else ""
        response = requests.Response()
        response.status_code = self.fault or (200 if symbol in self.bodies else 404)
        missing = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}}
        body = "internal error" if self.fault else self.bodies.get(symbol, json.dumps(missing))
        response._content = body.encode()
        response.url, response.request, response.encoding = request.url, request, "utf-8"
        return response


@pytest.fixture
def yahoo(tmp_path) -> Callable[..., requests.Session]:
    """Return a function from bodies (and a fault) to a session; yfinance starts without any memory."""
    import yfinance
    from yfinance import base, cache, data

    def forget() -> None:
        data.SingletonMeta._instances.clear()
        data.YfData.cache_get.cache_clear()
        for manager in (cache._TzCacheManager, cache._CookieCacheManager, cache._ISINCacheManager):
            for name in ("_tz_cache", "_Cookie_cache", "_isin_cache"):
                if hasattr(manager, name):
                    setattr(manager, name, None)
        for database in (cache._TzDBManager, cache._CookieDBManager, cache._ISINDBManager):
            database.close_db()
            database._db = None
        base._tz_info_fetch_ctr = 2  # no second guess of a time zone through another endpoint

    tries = base._tz_info_fetch_ctr
    before = [
        manager._cache_dir for manager in (cache._TzDBManager, cache._CookieDBManager, cache._ISINDBManager)
    ]
    forget()
    yfinance.set_tz_cache_location(str(tmp_path / "yfinance"))

    def connect(bodies: dict[str, str], fault: int | Exception | None = None) -> requests.Session:
        session = requests.Session()
        session.mount("https://", RecordedYahoo(bodies, fault))
        return session

    yield connect
    forget()
    base._tz_info_fetch_ctr = tries
    cache._TzDBManager._cache_dir, cache._CookieDBManager._cache_dir, cache._ISINDBManager._cache_dir = before
