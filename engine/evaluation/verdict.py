"""The first sentence of every report: plain words, bad news first."""

from __future__ import annotations

from engine.evaluation.baselines import WITHOUT_TEXTS
from engine.evaluation.costs import costs_in_words
from engine.evaluation.factors import BUY_AND_HOLD, FactorMetrics
from engine.evaluation.foresight import ForesightCheck
from engine.evaluation.metrics.accounts.account import ReturnMetrics, StrategyMetrics
from engine.evaluation.metrics.accounts.luck import CLEAR, LuckMetrics, passes
from engine.evaluation.metrics.alarms import alarm_sentence
from engine.evaluation.metrics.forecasts.claims import (
    DIRECTION,
    FAMILY_ERROR,
    NESTED,
    RANK,
    SQUARED_ERROR,
    SkillClaims,
)
from engine.evaluation.metrics.forecasts.skill import ForecastSkill
from engine.evaluation.metrics.inference import FEWEST_HORIZONS
from engine.evaluation.metrics.texts import TextMetrics
from engine.evaluation.policies import CLOSE_SHARPE, beside_equal_risk, beside_plain_risk
from engine.evaluation.subject import MembershipMetrics, Metrics, UniverseMetrics
from forewalk.settings.sections import Settings

ONE_SIDED_T = 1.645  # of the alpha, at 5 %
FEW_MISSING = 0.02  # share of a universe's members without bars that goes without saying


def verdict_sentence(metrics: Metrics, settings: Settings) -> str:
    """Say whether the forecasts beat naive and whether the strategy beat buying and holding.

    `settings` name the horizon and the costs.
    """
    overall, claims, universe = metrics.forecast.overall, metrics.forecast.claims, metrics.universe
    sentences = [
        _foresight_sentence(metrics.own_strategy),
        alarm_sentence(metrics.alarms),
        *(metrics.cautions or ()),
        _forecast_sentence(overall, claims, settings),
        _other_sentence(claims),
        _rank_sentence(overall, claims),
        _texts_sentence(metrics),
        _tradable_sentence(metrics, claims),
        _volatility_sentence(overall),
        _strategy_sentence(metrics.strategy, metrics.benchmark, universe, settings),
        _same_orders_sentence(metrics.own_strategy),
        _shuffled_sentence(metrics),
        _exposure_sentence(metrics),
        _risk_sentence(metrics),
        _luck_sentence(metrics.luck),
        _without_sentence(metrics),
        _factor_sentence(metrics.factors),
        _survivorship_sentence(universe),
        _membership_sentence(universe.membership),
    ]
    return " ".join(filter(None, sentences))


def _survivorship_sentence(universe: UniverseMetrics) -> str:
    if not universe.survivorship_bias:
        return ""
    count, of = universe.still_there_at_the_end, universe.forecast_symbols
    who = "Every symbol" if count == of else f"Almost every symbol ({count:,} of {of:,})"
    return (
        f"{who} still trades at the end of the data: symbols that failed on the way are missing, so all returns "
        "here are flattered (survivorship bias)."
    )


def _membership_sentence(membership: MembershipMetrics | None) -> str:
    if membership is None or membership.members_without_bars <= FEW_MISSING * membership.members:
        return ""
    return (
        f"{membership.members_without_bars:,} of {membership.members:,} members of the universe have no bars in "
        f"these data: if they are the ones that failed, all returns here are flattered (survivorship bias)."
    )


def _foresight_sentence(check: ForesightCheck | None) -> str:
    if check is None or check.problem is None:
        return ""
    return (
        f"Your own strategy decides by what it cannot know, or not the same way twice: {check.problem}. "
        "What it earned here says nothing."
    )


def _same_orders_sentence(check: ForesightCheck | None) -> str:
    if check is None or check.problem is not None:
        return ""
    cuts = f" and with histories that end on {', '.join(check.cuts)}" if check.cuts else ""
    return f"Your own strategy gave the same {check.orders:,} orders bar by bar{cuts}."


def _texts_sentence(metrics: Metrics) -> str:
    """What the texts added, beside the same model without them: two tests, the smaller p doubled (Bonferroni)."""
    beside = metrics.baselines.against.get(WITHOUT_TEXTS)
    if beside is None:
        return ""
    tests = [("its errors are smaller", beside.diebold_mariano.p_less)]
    if beside.rank_difference is not None:
        tests.append(("it ranks better", beside.rank_difference.p))
    known = [(what, p) for what, p in tests if p is not None]
    if not known:
        return "Whether the texts added anything cannot be tested here."
    least = min(1.0, len(known) * min(p for _, p in known))
    said = " and ".join(f"that {what} has p = {p:.2g}" for what, p in known)
    outcome = "added something" if least < 0.05 else "added nothing that chance does not explain"
    return f"The texts {outcome}: beside the same model without them, {said}.{_trap(metrics.texts)}"


def _trap(texts: TextMetrics | None) -> str:
    """What the usual leak would have shown."""
    if texts is None or texts.tone_by_day.t is None or texts.tone_known.t is None:
        return ""
    shown = [f"{test.mean:+.3f} (t = {test.t:+.1f})" for test in (texts.tone_by_day, texts.tone_known)]
    return (
        f" Joined by the day of the outcome, as is usual, their tone would have shown a rank IC of {shown[0]}; known "
        f"in time it shows {shown[1]}."
    )


def _shuffled_sentence(metrics: Metrics) -> str:
    """What the same policy earned on the same forecasts at other dates, where that is about as much."""
    own, twin = metrics.strategy.sharpe_annual, metrics.policies.get("shuffled")
    if own is None or twin is None or twin.sharpe_annual is None or twin.sharpe_annual < own - CLOSE_SHARPE:
        return ""
    return (
        "The same policy on the same forecasts in another order of time has a Sharpe ratio of "
        f"{twin.sharpe_annual:.2f}, this account {own:.2f}: what it earned does not hang on the forecasts."
    )


def _exposure_sentence(metrics: Metrics) -> str:
    """What the account's own mean exposure earned without any decision, where that is about as much."""
    own, twin = metrics.strategy.sharpe_annual, metrics.policies.get("equal_exposure")
    if metrics.luck.against == "cash" or own is None or twin is None or twin.sharpe_annual is None:
        return ""
    if twin.sharpe_annual < own - CLOSE_SHARPE or not _traded(metrics.strategy):
        return ""
    return (
        f"The same mean exposure, held all the time in equal parts, has a Sharpe ratio of {twin.sharpe_annual:.2f}, "
        f"this account {own:.2f}: what it earned does not hang on when and what it traded."
    )


def _risk_sentence(metrics: Metrics) -> str:
    if not _traded(metrics.strategy):
        return ""
    own, policies = metrics.strategy, metrics.policies
    told = [beside_plain_risk(own, policies.get("ewma_sized"))]
    if metrics.luck.against != "cash":
        told.append(beside_equal_risk(own, policies.get("equal_risk")))
    return " ".join(filter(None, told))


def _traded(strategy: StrategyMetrics) -> bool:
    """Whether it ever held anything; a position that is never closed is no closed trade."""
    return bool(strategy.trades or strategy.mean_gross_exposure)


def _without_sentence(metrics: Metrics) -> str:
    """The result without its best year, where that year made it."""
    rest = metrics.time.without if metrics.time else None
    if rest is None or not _traded(metrics.strategy):
        return ""
    own, held = metrics.strategy.total_return, metrics.benchmark.total_return
    gone = own > 0 >= rest.total_return
    behind = metrics.luck.against != "cash" and own > held and rest.total_return <= rest.benchmark_return
    weak = passes(metrics.luck) and (rest.t is None or rest.t < ONE_SIDED_T)
    if not (gone or behind or weak):
        return ""
    alpha = "" if rest.alpha_per_year is None or rest.t is None else (
        f", an alpha of {rest.alpha_per_year:.1%} a year (t = {rest.t:.1f})"
    )  # fmt: skip
    return (
        f"Without {rest.year}: {rest.total_return:.1%}{alpha}, while the benchmark returned "
        f"{rest.benchmark_return:.1%}; that one year made the result."
    )


def _luck_sentence(luck: LuckMetrics) -> str:
    parts = [_alpha_sentence(luck), _sharpe_sentence(luck), _lost_sentence(luck)]
    return " ".join(filter(None, parts))


def _alpha_sentence(luck: LuckMetrics) -> str:
    alpha, passed = luck.alpha, luck.deflated.probability
    if passed is None:
        return ""
    after = "at the first try" if luck.tries == 1 else f"after {luck.tries:,} tries on overlapping data"
    if luck.against == "cash":
        tested = "Being as much short as long, it is compared with cash: against no return at all"
    elif alpha.alpha_per_year is None or alpha.t is None:
        return ""
    else:
        beta = alpha.loadings["buy_and_hold"].beta
        tested = (
            f"At its own beta of {beta:.2f} to buying and holding, an alpha of {alpha.alpha_per_year:.1%} a year is "
            f"left (95% interval {alpha.low_per_year:.1%} to {alpha.high_per_year:.1%}, t = {alpha.t:.1f}): "
            "against no alpha at all"
        )
    said = "luck alone rarely gives that" if passes(luck) else "that is within luck"
    if passed > CLEAR and not passes(luck):
        said = "but with errors that allow for days that follow from each other it is within luck"
    if luck.against == "cash" and passed > CLEAR and not passes(luck):
        beta, t = alpha.loadings["buy_and_hold"].beta, alpha.t
        said = (
            f"but its beta to buying and holding is {beta:.2f}, and the alpha beside that (t = {t:.1f}) is within "
            "luck: it is not free of the market"
        )
    return f"{tested}, {after}, the test gives 1 - p = {passed:.2f}; {said}."


def _factor_sentence(factors: FactorMetrics | None) -> str:
    if factors is None:
        return ""
    alpha = factors.alpha
    held = ["buying and holding" if name == BUY_AND_HOLD else name for name in alpha.loadings]
    names = " and ".join(filter(None, [", ".join(held[:-1]), held[-1]]))
    if alpha.alpha_per_year is None or alpha.low_per_year is None or alpha.t is None:
        return (
            f"Against {names} of {factors.file} nothing can be said: too few bars have them, "
            "or they repeat each other."
        )
    within = alpha.low_per_year <= 0 <= (alpha.high_per_year or 0)
    side = "that is within luck" if within else "luck alone rarely gives that"
    return (
        f"Against {names} of {factors.file} an alpha of {alpha.alpha_per_year:.1%} a year is left (95% interval "
        f"{alpha.low_per_year:.1%} to {alpha.high_per_year:.1%}, t = {alpha.t:.1f}); {side}."
    )


def _sharpe_sentence(luck: LuckMetrics) -> str:
    sharpe, difference = luck.sharpe, luck.sharpe_difference
    if sharpe.low is None:
        return ""
    own = (
        f"Its Sharpe ratio of {sharpe.value:.2f} has a 95% interval of {sharpe.low:.2f} to {sharpe.high:.2f}"
    )
    if difference.low is None or difference.value is None:
        return f"{own}."
    side = "above" if difference.value > 0 else "below"
    return (
        f"{own}, {abs(difference.value):.2f} {side} that of buying and holding "
        f"({difference.low:.2f} to {difference.high:.2f})."
    )


def _lost_sentence(luck: LuckMetrics) -> str:
    if not luck.lost_tries:
        return ""
    return (
        f"The ledger of tries was deleted or cut: at least {luck.lost_tries:,} tries that it held are gone. They are "
        "counted, but nobody can say what they found."
    )


def _rank_sentence(overall: ForecastSkill, claims: SkillClaims) -> str:
    ranks, claim = overall.rank_ic, claims.of(RANK)
    if not ranks or ranks.mean is None or claim is None or claim.t is None or claim.p is None:
        return ""
    size = f"rank IC {ranks.mean:.4f} per bar, t = {claim.t:.1f}"
    if claim.claimed:
        return f"They rank the symbols slightly right ({size})."
    if claims.enough and claim.p > 1 - FAMILY_ERROR / 2:
        return f"They rank the symbols the wrong way round ({size})."
    return f"They do not rank the symbols better than chance ({size})."


def _tradable_sentence(metrics: Metrics, claims: SkillClaims) -> str:
    """Where ranks may be claimed, but not of the return that an order sent after the forecast can have."""
    at = metrics.time.tradable if metrics.time else None
    if not claims.claims(RANK) or at is None or at.rank_ic is None or at.t is None or at.t >= ONE_SIDED_T:
        return ""
    return (
        f"No order can have that: from the next open, where orders are filled, the rank IC is {at.rank_ic:.4f} "
        f"(t = {at.t:.1f})."
    )


def _other_sentence(claims: SkillClaims) -> str:
    """What else may be claimed where the squared error is not below naive."""
    said = []
    direction, nested = claims.of(DIRECTION), claims.of(NESTED)
    if direction and direction.claimed and direction.estimate is not None:
        said.append(
            f"a rise was {direction.estimate:.1%} likelier where one was forecast "
            f"(Pesaran-Timmermann t = {direction.t:.1f})"
        )
    if nested and nested.claimed and not claims.claims(SQUARED_ERROR):
        below = "without the noise of learning the squared error is below that of a drift"
        said.append(f"{below} (Clark-West t = {nested.t:.1f})")
    return f"They hold information: {'; '.join(said)}." if said else ""


def _volatility_sentence(overall: ForecastSkill) -> str:
    variance = overall.variance
    if not variance:
        return ""
    verb = "beat" if variance.beats_ewma else "do not beat"
    pair = f"QLIKE {variance.qlike:.3f} against {variance.ewma_qlike:.3f}"
    return f"As volatility forecasts they {verb} a RiskMetrics EWMA ({pair})."


def _forecast_sentence(overall: ForecastSkill, claims: SkillClaims, settings: Settings) -> str:
    skill, p = overall.returns.skill_mse, overall.diebold_mariano.p_less
    if skill is None:
        return (
            "There is no out-of-sample forecast whose outcome is known, so nothing can be said about skill."
        )
    horizon = settings.label.horizon_bars
    naive = f"the naive forecast of no change over {horizon} bar{'s' if horizon > 1 else ''}"
    evidence = f"one-sided Diebold-Mariano {_p_value(p)}" if p is not None else "no test is possible"
    side = "lower" if skill > 0 else "higher"
    size = f"squared error {abs(skill):.2%} {side}" if skill else "the same error"
    bars = f"{overall.bars:,} bars out of sample"
    if not claims.enough:
        return (
            f"There are {claims.horizons} horizons that do not overlap; below {FEWEST_HORIZONS} nothing can be said "
            f"about skill ({size} than {naive})."
        )
    if claims.claims(SQUARED_ERROR):
        return f"The forecasts beat {naive}: {size} ({evidence}, {bars})."
    beyond = "beyond a drift, " if p is not None and p < FAMILY_ERROR else ""
    tail = f"; {beyond}that is within luck" if skill > 0 else ""
    return f"The forecasts do not beat {naive}: {size} ({evidence}, {bars}){tail}."


def _strategy_sentence(
    strategy: StrategyMetrics, benchmark: ReturnMetrics, universe: UniverseMetrics, settings: Settings
) -> str:
    pairs = universe.currency_pairs or 0
    held = f"buying and holding {settings.evaluation.held} returned {benchmark.total_return:.1%}"
    if pairs and settings.evaluation.benchmark is None:
        rest = "the cash beside it" if pairs == universe.forecast_symbols else "all but the currency pairs"
        held = f"holding {rest} returned {benchmark.total_return:.1%}"
    if not _traded(strategy):
        return f"The strategy never traded; {held}."
    return (
        f"The strategy returned {strategy.total_return:.1%} after costs of "
        f"{costs_in_words(settings.execution, pairs)}, while {held}."
    )


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
