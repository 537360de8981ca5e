"""The first sentence of every screen and verdict, in words that need no statistics.

One table of cases, which the run's pages and the web pages read alike. Nothing promises, nothing hides; a number
stands beside what it would be by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from engine.evaluation.metrics.accounts.luck import passes
from engine.evaluation.policies import beside_plain_risk
from engine.evaluation.subject import Metrics

COIN = 3  # of 100: a chance of a rise this near to 50 is nearly a coin
RISK = (
    "Past results do not tell what will come. Prices can fall, and what is shown here was never earned by anyone. "
    "This is no advice."
)
SURVIVORS = (
    "Companies that failed on the way are missing from these prices, so all of it looks better than it was."
)
PAPER = "Paper trading: nothing here is real money."


class Luck(StrEnum):
    """What the test of a run came to."""

    TOO_GOOD = "too good"
    LEAK = "leak"
    TOO_SHORT = "too short"
    NO = "no"
    PERHAPS = "perhaps"
    NOT_BY_FORECASTS = "not by forecasts"
    NOT_BY_MODEL = "not by the model"
    YES = "yes"


@dataclass(frozen=True)
class LuckTest:
    """What the words about luck are told from.

    Attributes:
        probability: 1 - p of the test against `against` after all tries; None where it cannot be told.
        first_p: p of the same before the tries were counted. passes: whether it is above the limit for "yes".
        tries: that lie behind it. against: buy_and_hold or cash. alarms: whether numbers are too good to be true.
        leak: whether a certificate, or the check of an own strategy, found that something has seen the future.
        skill: whether a test found skill in the forecasts themselves.
        needless: whether the same policy, sized without a model, earned about as much.
    """

    probability: float | None
    first_p: float | None
    passes: bool
    tries: int
    against: str
    alarms: bool
    leak: bool
    skill: bool
    needless: bool = False


def luck_test_of(metrics: Metrics, leak: bool) -> LuckTest:
    """Return what the words about luck are told from; `leak` is whether a certificate found one."""
    luck, own = metrics.luck, metrics.own_strategy
    return LuckTest(
        probability=luck.deflated.probability,
        first_p=luck.alpha.p_greater,
        passes=passes(luck),
        tries=luck.tries,
        against=luck.against,
        alarms=bool(metrics.alarms),
        leak=leak or bool(own and own.problem),
        skill=metrics.forecast.claims.any,
        needless=bool(beside_plain_risk(metrics.strategy, metrics.policies.get("ewma_sized"))),
    )


def luck_case(tested: LuckTest) -> Luck:
    """Return the case, the gravest first."""
    if tested.leak:
        return Luck.LEAK
    if tested.alarms:
        return Luck.TOO_GOOD
    if tested.probability is None:
        return Luck.TOO_SHORT
    if tested.passes and tested.needless:
        return Luck.NOT_BY_MODEL
    if tested.passes:
        return Luck.YES if tested.skill else Luck.NOT_BY_FORECASTS
    return Luck.PERHAPS if tested.first_p is not None and tested.first_p < 0.05 else Luck.NO


def luck(tested: LuckTest) -> str:
    """Answer "Is it more than luck?"."""
    beyond = (
        "simply holding them would have given"
        if tested.against != "cash"
        else "a savings account would have given"
    )
    tries = "the only try" if tested.tries <= 1 else f"{tested.tries} tries"
    return {
        Luck.LEAK: "Nothing here counts: something in it has looked into the future.",
        Luck.TOO_GOOD: "Do not believe this yet: some numbers are too good to be true. Look for a mistake first.",
        Luck.TOO_SHORT: "Nothing can be said: there are too few days.",
        Luck.NO: f"No. Beyond what {beyond}, nothing is left that chance does not explain.",
        Luck.PERHAPS: (
            f"Perhaps: something is left beyond what {beyond}, but with {tries} behind it chance explains that, too."
        ),
        Luck.NOT_BY_FORECASTS: (
            f"Perhaps: something is left beyond what {beyond}, {tries} counted, but no skill was found in the "
            "forecasts that should have earned it."
        ),
        Luck.NOT_BY_MODEL: (
            f"Perhaps: something is left beyond what {beyond}, {tries} counted, but holding more in calm times and "
            "less in wild ones, by a plain average, earned as much without any forecast."
        ),
        Luck.YES: (
            f"Yes, as far as this test can see: beyond what {beyond}, something is left that chance does not easily "
            f"explain, {tries} counted."
        ),
    }[luck_case(tested)]


def tomorrow(symbol: str, when: str, low: float | None, high: float | None, held: float | None) -> str:
    """Say where a price will most likely end; without a range, that there is none.

    Args:
        when: the close it is about, in words. low, high: the range meant for 80 of 100.
        held: share of past cases in which such a range held, as counted; None where there were none.
    """
    if low is None or high is None:
        return f"For {symbol} there is no range: this model only says which will do better than the others."
    range_ = f"On {when}, {symbol} will most likely end between {price(low)} and {price(high)}."
    if held is None:
        return f"{range_} How often such ranges hold is not known yet."
    return f"{range_} In {round(100 * held)} of 100 such cases so far it ended inside a range like this."


def direction(p_up: float) -> str:
    """Say how sure the direction is."""
    of_100 = round(100 * p_up)
    if abs(of_100 - 50) <= COIN:
        return f"Up or down? Nearly a coin: {of_100} of 100."
    if of_100 > 50:
        return f"Up or down? Up in {of_100} of 100 such days."
    return f"Up or down? Down in {100 - of_100} of 100 such days."


def record(forecasts: int, inside: int, right: int, directions: int) -> str:
    """Say how good forecasts have been: inside the range for 80 of 100, and right about the direction."""
    if not forecasts:
        return "Nothing can be said yet: no forecast has met its day."
    times = "time" if right == 1 else "times"
    return (
        f"Of the last {forecasts:,} forecasts, {inside:,} ended inside the range we gave for 80 of 100. "
        f"The direction was right {right:,} {times}; a coin would give {round(directions / 2):,}."
    )


def what_if(start: float, became: float, held: float, saved: float) -> str:
    """Say what money would have become."""
    return (
        f"{money(start)} would have become {money(became)}. Just holding the same companies: {money(held)}. "
        f"A savings account: {money(saved)}."
    )


def stopped(reason: str, flatten: bool) -> str:
    """Say that everything is stopped, and what happens to what is held."""
    held = "What is held is being sold." if flatten else "Nothing is sold until you say so."
    return f"Stopped: {reason}. {held}"


def money(amount: float) -> str:
    """An amount in whole units of the person's money."""
    return f"{amount:,.0f}"


def price(value: float) -> str:
    """A price with as many digits as matter."""
    digits = 0 if abs(value) >= 1000 else 2 if abs(value) >= 1 else 4
    return f"{value:,.{digits}f}"


def long_day(day: date) -> str:
    """A day as it is spoken: Monday 4 March 2013."""
    return f"{day:%A} {day.day} {day:%B} {day.year}"
