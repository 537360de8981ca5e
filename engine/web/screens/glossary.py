"""The words that a reader may ask about, each with its line."""

from __future__ import annotations

from functools import cache

OURS = (
    ("likely range", "Where a price will probably end: of 100 days with such a range, 80 end inside it."),
    ("nearly a coin", "The chance of a rise is so near to one half that tossing a coin would do as well."),
    ("just holding", "Buying the same companies at the beginning and leaving them alone."),
    ("fall", "How far the money has gone down from its highest point before. Nothing need have been sold."),
    ("luck", "What comes out by chance. Who tries often enough finds something that looks good."),
    ("beyond what holding gave", "What is left after taking out the part that moved with just holding."),
    (
        "tries",
        "How often somebody has looked for a good result on these prices. All are counted, also the failed ones.",
    ),
    (
        "checked for looking ahead",
        "The future was replaced by nonsense and everything run again: what was said before must stay the same.",
    ),
    ("practice account, paper", "An account in which nothing is real money."),
    ("stop everything", "No new orders, open orders taken back, and what is held is sold at the market."),
    (
        "model",
        "What has learned from past prices. It is renewed from time to time, and says until when it has learned.",
    ),
    ("close", "The last price of a trading day."),
    ("costs", "Fees, and the difference between the price one sees and the price one gets."),
    ("savings account", "Money that earns 2 in 100 a year and never falls. It is there to compare with."),
)


@cache
def glossary() -> tuple[tuple[str, str], ...]:
    """Return (word, meaning), by word."""
    return tuple(sorted(OURS))
