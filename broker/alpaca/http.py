"""One host of Alpaca's, over alpaca-py's REST client with its traps closed: each call once, in time, or an error.

`Http.call` raises one of `broker.errors` and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema

from broker.alpaca.answers import BadAnswer
from broker.alpaca.budget import Budget
from broker.errors import BrokerError, MustHalt, RateLimited, Refused, Unreachable
from broker.halts import HaltCause
from broker.keys import redacted
from forewalk.compute.deadline import within

T = TypeVar("T")


class Http:
    """Requests to one base URL; use it from one thread.

    Args:
        make: returns a fresh client of alpaca-py for `base`.
        timeout_s: longest wait of one socket read; an answer may take half as long again in total.
        budget: of requests; None for no limit.

    Attributes:
        urgent: whether requests may use what the budget keeps for cancels and closing.
    """

    def __init__(
        self, make: Callable[[], RESTClient], base: str, timeout_s: float, budget: Budget | None = None
    ) -> None:
        self._make = make
        self._base = base
        self._timeout_s = timeout_s
        self._budget = budget
        self.urgent = False
        self.renew()

    def renew(self) -> None:
        """Make a fresh client: after a timeout the old connection may still hold an answer to something else."""
        self._client = _tamed(self._make(), self._base, self._timeout_s)

    def get(self, path: str, parse: Callable[[Any], T], query: Mapping[str, Any] | None = None) -> T:
        """GET and parse; an answer that cannot be read is Unreachable."""
        try:
            return parse(self.call("GET", path, query))
        except BadAnswer as strange:
            problem = str(strange)
        raise Unreachable(f"GET {path}: unreadable answer: {redacted(problem)}")

    def call(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """Make one request within the deadline. Errors are translated outside of `except`, so that nothing
        that knows the request's headers stays attached to them."""
        problem: BrokerError
        client = self._client
        wait_s = self._budget.take(self.urgent or method == "DELETE") if self._budget is not None else 0.0
        if wait_s:
            raise RateLimited(
                f"{method} {path.split('?')[0]}: the request budget of this minute is used up", wait_s
            )
        try:
            return within(
                1.5 * self._timeout_s, lambda: client._request(method, path, dict(data) if data else None)
            )
        except APIError as error:
            problem = _translated(error, method, path)
            if isinstance(problem, RateLimited) and self._budget is not None:
                self._budget.refused(problem.after_s)
        except TimeoutError:
            self.renew()
            problem = Unreachable(f"{method} {path}: no answer within {1.5 * self._timeout_s:g} s")
        except InvalidSchema:  # no adapter is mounted for anything but the base URL
            problem = MustHalt(f"{method} {path}: refused to send a request to another host", HaltCause.KEYS)
        except RequestException as error:
            problem = Unreachable(f"{method} {path}: {type(error).__name__}")
        except (ValueError, TypeError, AttributeError):
            problem = Unreachable(f"{method} {path}: the answer is no JSON")
        raise problem


class _OneTry(HTTPAdapter):
    """Sends once, with timeouts."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(max_retries=0)
        self._timeout = (timeout_s / 2, timeout_s)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send; requests itself would wait for ever."""
        kwargs["timeout"] = self._timeout
        return super().send(request, *args, **kwargs)


def _tamed(client: RESTClient, base: str, timeout_s: float) -> RESTClient:
    client._retry = 0
    client._retry_codes = []
    session = client._session
    session.trust_env = False
    session.max_redirects = 0
    session.adapters.clear()
    session.mount(base + "/", _OneTry(timeout_s))
    return client


def _translated(error: APIError, method: str, path: str) -> BrokerError:
    status = error.status_code or 0
    body = _body(str(error))
    message = redacted(str(body.get("message") or f"HTTP {status}"))[:500]
    code = body.get("code")
    where = f"{method} {path.split('?')[0]}"
    if status == 429:
        return RateLimited(f"{where}: rate limit reached", _wait_s(error.response))
    if status == 401:
        return MustHalt(f"401 {message}: the broker refuses the keys; check them, then `live resume`")
    if 400 <= status < 500:
        return Refused(status, code if isinstance(code, int) else None, message, body)
    return Unreachable(f"{where}: HTTP {status}")


def _body(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _wait_s(response: Response | None) -> float:
    """Read how long to wait: Retry-After in seconds, or X-RateLimit-Reset in epoch seconds; 1 to 60 s."""
    headers = response.headers if response is not None else {}
    try:
        if "Retry-After" in headers:
            wait = float(headers["Retry-After"])
        else:
            sent = headers.get("Date")
            now = parsedate_to_datetime(sent).timestamp() if sent else datetime.now(UTC).timestamp()
            wait = float(headers["X-RateLimit-Reset"]) - now
    except (KeyError, ValueError, TypeError):
        wait = 1.0
    return min(max(wait, 1.0), 60.0)
