"""What goes wrong, as values: which request or frame is hit, and what is done to it. Pure; the shell does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from broker.simulator.values import chance

HTTP_ACTIONS = frozenset(
    {"status", "stall", "truncate", "empty", "html", "redirect", "reset", "drip", "body", "edit"}
)
FRAME_ACTIONS = frozenset({"drop", "duplicate", "delay", "hold", "reorder"})


@dataclass
class HttpFault:
    """One rule for requests of the API.

    Attributes:
        route: "METHOD PATH" with shell wildcards, e.g. "POST /v2/orders" or "* /v2/*".
        action: "status" (answer `status`), "stall" (wait `seconds`, then go on), "truncate" (half the body),
            "empty", "html", "redirect" (301), "reset" (RST), "drip" (`seconds` between bytes), "body" (answer
            `body` as it is), "edit" (overwrite keys of the JSON answer with those of `body`).
        when: "before" (the broker never sees the request) or "after" (it has done what was asked).
        count: how often; None is for ever. skip: how many matching requests pass first.
        probability: of each matching request, from the seed.
    """

    route: str
    action: str = "status"
    when: str = "before"
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.action not in HTTP_ACTIONS:
            raise ValueError(f"action {self.action!r}: one of {', '.join(sorted(HTTP_ACTIONS))}")
        if self.when not in ("before", "after"):
            raise ValueError(f"when {self.when!r}: before or after")
        if self.action == "edit":
            self.when = "after"

    def hits(self, seed: int, method: str, path: str) -> bool:
        """Tell whether the rule applies to a request, and count it."""
        if self.count == 0 or not fnmatchcase(f"{method} {path}", self.route):
            return False
        self.seen += 1
        if self.seen <= self.skip or chance(seed, self.route, self.seen, "fault") >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        return True


class Faults:
    """The rules in force; the first that hits is carried out."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.rules: list[HttpFault] = []
        self.hidden_lookups = 0
        self.hidden_in_lists = False
        self._lookups: dict[str, int] = {}

    def take(self, method: str, path: str) -> HttpFault | None:
        """Return the rule that hits this request, None where none does."""
        return next((rule for rule in self.rules if rule.hits(self.seed, method, path)), None)

    def hide_lookup(self, client_order_id: str) -> bool:
        """Count a look-up by client id; True for the first ones, as while the broker's index lags."""
        done = self._lookups.get(client_order_id, 0)
        self._lookups[client_order_id] = done + 1
        return done < self.hidden_lookups

    def hides(self, client_order_id: str) -> bool:
        """Tell whether an order is not yet in lists."""
        return self.hidden_in_lists and self._lookups.get(client_order_id, 0) < self.hidden_lookups


class RateLimit:
    """Requests per minute, counted in a window that begins with its first request.

    `per_minute` 0 is no limit. Times in seconds; which clock is the caller's choice.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.began = 0.0
        self.used = 0

    def take(self, now: float) -> bool:
        """Count a request; False where it is one too many."""
        if now - self.began >= 60:
            self.began, self.used = now, 0
        self.used += 1
        return self.per_minute == 0 or self.used <= self.per_minute

    def headers(self) -> dict[str, str]:
        """Return the X-RateLimit headers, none where there is no limit; Reset is in seconds since 1970."""
        if self.per_minute == 0:
            return {}
        return {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(max(0, self.per_minute - self.used)),
            "X-RateLimit-Reset": str(int(self.began) + 60),
        }


@dataclass
class FrameFault:
    """One rule for frames of a stream.

    Attributes:
        action: "drop", "duplicate", "delay" (`seconds`), "hold" (until released), "reorder" (hold `count`
            frames, then send them backwards or, with `order="shuffle"`, in an order of the seed).
        stream: "trading" or "data". event: only frames of this event, None for all.
        count: how many frames; None for ever. skip: how many matching frames pass first.
    """

    action: str
    stream: str = "trading"
    event: str | None = None
    count: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    order: str = "reverse"
    probability: float = 1.0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.action not in FRAME_ACTIONS:
            raise ValueError(f"action {self.action!r}: one of {', '.join(sorted(FRAME_ACTIONS))}")

    def hits(self, seed: int, stream: str, event: str) -> bool:
        """Tell whether the rule applies to a frame, and count it."""
        if self.count == 0 or stream != self.stream or self.event not in (None, event):
            return False
        self.seen += 1
        if self.seen <= self.skip or chance(seed, self.action, self.seen, "frame") >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        return True


@dataclass(frozen=True)
class Frame:
    """A message for the listeners of a stream, to be sent after some seconds.

    `event` is the trade update's, or the letter of the market data's type; `symbol` is what it is about.
    """

    stream: str
    event: str
    body: Any
    symbol: str = ""
    seconds: float = 0.0


class FrameFilter:
    """What becomes of each frame between the broker and the wire."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.rules: list[FrameFault] = []
        self.muted: set[str] = set()
        self.kept: list[Frame] = []

    def pass_on(self, frame: Frame) -> list[Frame]:
        """Return the frames that go out now in place of this one, in order."""
        if frame.stream in self.muted:
            return []
        rule = next((rule for rule in self.rules if rule.hits(self.seed, frame.stream, frame.event)), None)
        if rule is None:
            return [frame]
        if rule.action == "drop":
            return []
        if rule.action == "duplicate":
            return [frame, frame]
        if rule.action == "delay":
            return [replace(frame, seconds=rule.seconds)]
        self.kept.append(frame)
        return self.release(rule.order) if rule.action == "reorder" and rule.count == 0 else []

    def release(self, order: str = "fifo") -> list[Frame]:
        """Return the held frames as they came ("fifo"), backwards ("reverse") or mixed ("shuffle")."""
        frames, self.kept = self.kept, []
        if order == "reverse":
            frames.reverse()
        elif order == "shuffle":
            numbered = sorted(enumerate(frames), key=lambda item: chance(self.seed, item[0], len(frames)))
            frames = [frame for _, frame in numbered]
        elif order != "fifo":
            raise ValueError(f"order {order!r}: fifo, reverse or shuffle")
        return frames


def edited(body: Any, changes: Mapping[str, Any], page_token: str | None) -> Any:
    """Return a JSON answer with top-level keys overwritten; in a list, in each of its objects.

    The value "$page_token" becomes the request's own page token: a pager that goes in circles.
    """
    if isinstance(body, list):
        return [edited(item, changes, page_token) for item in body]
    if not isinstance(body, Mapping):
        return body
    given = {name: value for name, value in changes.items() if value != "$page_token"}
    if page_token is not None:
        given |= {name: page_token for name, value in changes.items() if value == "$page_token"}
    return {**body, **given}
