"""What a paper book holds, has bought and sold, may do at most, is led by, and has told: in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.report.wording import words
from forewalk.settings.sections import Settings

if TYPE_CHECKING:
    from broker.journal.journal import Journal
    from engine.live.models.registry import ModelEntry

ALERTS = 8  # told, the newest first
AFTER = {
    "halt": "nothing is bought or sold any more",
    "exits_only": "only what makes positions smaller is done",
    "flatten": "everything is sold",
}  # a breach


@dataclass(frozen=True)
class BookScreen:
    """The book.

    Attributes:
        positions: (symbol, shares, last close, worth, of the account) as text. fills: (when in UTC, what, price).
        limits, model: sentences. aged: whether the model gives no forecasts because of its age.
        alerts: (when in UTC, what is told) of the diary, the newest first.
    """

    positions: tuple[tuple[str, ...], ...]
    fills: tuple[tuple[str, ...], ...]
    limits: tuple[str, ...]
    model: str
    aged: bool
    alerts: tuple[tuple[str, str], ...]


def book_screen(journal: Journal, settings: Settings, folder: Path) -> BookScreen:
    """Return the screen; `folder` holds the model files. Nothing is written."""
    from engine.live.watch.facts import book_facts

    facts = book_facts(journal, settings, folder)
    asked = next((model for model in facts.models if model.active), None)
    return BookScreen(
        positions=tuple(
            (
                each["symbol"],
                f"{each['quantity']:,g}",
                "" if each["close"] is None else words.price(each["close"]),
                "" if each["value"] is None else f"{each['value']:,.0f}",
                "" if each["share"] is None else f"{each['share']:.1%}",
            )
            for each in facts.positions
        ),
        fills=tuple(
            (f"{each['at']:%Y-%m-%d %H:%M}", each["what"], words.price(each["price"])) for each in facts.fills
        ),
        limits=limits(settings),
        model=model_words(asked, bool(facts.models)),
        aged=asked is not None and asked.is_too_old,
        alerts=tuple(
            (f"{each['at']:%Y-%m-%d %H:%M}", f"{each['symbol'] or ''} {each['text']}".strip())
            for each in facts.alerts[:ALERTS]
        ),
    )


def limits(settings: Settings) -> tuple[str, ...]:
    """Return the limits of a book, one sentence each."""
    risk = settings.risk
    short = (
        "It may sell short." if risk.allow_short else "It never sells short: what is not held is not sold."
    )
    return (
        f"One symbol may be at most {risk.max_weight:.0%} of the account, all of them together {risk.max_gross:.0%}.",
        f"An order may be worth {risk.max_order_value:,.0f} at most; {risk.max_orders_per_day:,} may go out a day.",
        f"An order is not sent where the price is {risk.price_collar:.0%} away from the one that it was decided on.",
        f"Once a day has lost {risk.max_daily_loss:.0%}, or the account is {risk.max_drawdown:.0%} below its "
        f"highest, {AFTER[risk.on_breach]} until somebody has looked.",
        short,
    )


def model_words(asked: ModelEntry | None, any_model: bool) -> str:
    """Say how old the model is that is asked, and until when it may be."""
    if asked is None:
        return (
            "No model is asked at present, so nothing new is bought."
            if any_model
            else "No model stands behind this book, or none has been trained yet."
        )
    if asked.age_bars is None:
        return f"The model {asked.model_id} has not been asked yet."
    bars = "one bar" if asked.age_bars == 1 else f"{asked.age_bars:,} bars"
    if asked.is_too_old:
        return f"The model is too old to be asked: {bars}, of {asked.max_age_bars:,} at most. It gives no forecasts."
    return f"The model is {bars} old; after {asked.max_age_bars:,} it is not asked any more."
