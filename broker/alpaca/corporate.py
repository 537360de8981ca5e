"""Corporate actions as values: what Alpaca's list says of them, and what a split makes of a position.

Alpaca does not promise when an action appears in its list, so an action may also be seen only after it has
happened. Pure.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from broker.alpaca.answers import BadAnswer
from broker.values import DIVIDEND, OTHER, SPLIT, CorporateAction, plain

log = logging.getLogger(__name__)

SYMBOLS = ("symbol", "old_symbol", "source_symbol", "acquiree_symbol", "alternate_symbol", "new_symbol")
DATES = ("ex_date", "effective_date", "process_date")


def corporate_actions(body: Any, symbols: Iterable[str]) -> list[CorporateAction]:
    """Read one page of `/v1/corporate-actions`; what concerns none of `symbols` is left out.

    An entry that cannot be read is logged and left out: the position then has to be explained by a person.

    Raises:
        BadAnswer: the page has no list at all.
    """
    groups = body.get("corporate_actions") if isinstance(body, Mapping) else None
    if not isinstance(groups, Mapping):
        raise BadAnswer("no corporate_actions in the answer")
    wanted = frozenset(symbols)
    found = []
    for group, items in groups.items():
        for item in items if isinstance(items, list) else ():
            try:
                found += _actions(str(group), item, wanted)
            except (ValueError, ArithmeticError, KeyError, TypeError, AttributeError) as problem:
                log.warning("a corporate action of %s cannot be read: %s", group, type(problem).__name__)
    return found


def _actions(group: str, item: Mapping[str, Any], wanted: frozenset[str]) -> list[CorporateAction]:
    """Return the action once for each of our symbols that it is about."""
    symbols = sorted({str(item[name]) for name in SYMBOLS if item.get(name)} & wanted)
    if not symbols:
        return []
    day = next(date.fromisoformat(str(item[name])[:10]) for name in DATES if item.get(name))
    kind, ratio, cash, text = _terms(group, item)
    return [
        CorporateAction(
            f"{item['id']} {symbol}", kind, symbol, day, ratio, cash, f"{symbol}: {text}, ex {day}"
        )
        for symbol in symbols
    ]


def _terms(group: str, item: Mapping[str, Any]) -> tuple[str, Decimal | None, Decimal | None, str]:
    if group in ("forward_splits", "reverse_splits") and not item.get("new_symbol"):
        new, old = _positive(item["new_rate"]), _positive(item["old_rate"])
        return SPLIT, new / old, None, f"split {plain(new)} for {plain(old)}"
    if group == "stock_dividends":
        rate = _positive(item["rate"])
        return SPLIT, 1 + rate, None, f"stock dividend of {plain(rate)} a share"
    if group == "cash_dividends":
        rate = _positive(item["rate"])
        return DIVIDEND, None, rate, f"dividend of {plain(rate)} dollars a share"
    return OTHER, None, None, group.replace("_", " ")


def _positive(value: Any) -> Decimal:
    number = Decimal(str(value))
    if isinstance(value, bool) or not (number.is_finite() and number > 0):
        raise ValueError(f"{value!r} is no rate")
    return number
