"""The first sentence of every report: plain words, bad news first."""

from __future__ import annotations

from engine.evaluation.metrics.account import ReturnMetrics, StrategyMetrics
from engine.evaluation.metrics.forecast import ForecastSkill
from engine.evaluation.metrics.luck import LuckMetrics
from engine.evaluation.subject import MembershipMetrics, Metrics
from forewalk.settings.sections import Settings

SIGNIFICANT_T = 2.0
FEW_MISSING = 0.02  # share of a universe's members without bars that goes without saying
SURVIVORSHIP = (
    "Every symbol still trades at the end of the data: symbols that failed on the way are missing, "
    "so all returns here are flattered (survivorship bias)."
)


def verdict_sentence(metrics: Metrics, settings: Settings) -> str:
    """Say whether the forecasts beat naive and whether the strategy beat buying and holding.

    Args:
        metrics: of the run.
        settings: names the horizon and the costs.
    """
    overall = metrics.forecast.overall
    sentences = [
        _forecast_sentence(overall, settings),
        _rank_sentence(overall),
        _volatility_sentence(overall),
        _strategy_sentence(metrics.strategy, metrics.benchmark, settings),
        _luck_sentence(metrics.luck),
    ]
    if metrics.universe.survivorship_bias:
        sentences.append(SURVIVORSHIP)
    sentences.append(_membership_sentence(metrics.universe.membership))
    return " ".join(filter(None, sentences))


def _membership_sentence(membership: MembershipMetrics | None) -> str:
    if membership is None or membership.members_without_bars <= FEW_MISSING * membership.members:
        return ""
    return (
        f"{membership.members_without_bars:,} of {membership.members:,} members of the universe have no bars in "
        f"these data: if they are the ones that failed, all returns here are flattered (survivorship bias)."
    )


def _luck_sentence(luck: LuckMetrics) -> str:
    sharpe, tries, probability = luck.sharpe, luck.tries, luck.deflated.probability
    if sharpe.low is None or probability is None:
        return ""
    after = "at the first try" if tries == 1 else f"after {tries:,} tries on these data"
    return (
        f"Its Sharpe ratio of {sharpe.value:.2f} has a 95% interval of {sharpe.low:.2f} to "
        f"{sharpe.high:.2f}; {after} the probability that it is real and not luck is {probability:.2f}."
    )


def _rank_sentence(overall: ForecastSkill) -> str:
    ranks = overall.rank_ic
    if not ranks or ranks.t is None or ranks.mean is None:
        return ""
    size = f"rank IC {ranks.mean:.4f} per bar, t = {ranks.t:.1f}"
    if abs(ranks.t) < SIGNIFICANT_T:
        return f"They do not rank the symbols better than chance ({size})."
    return f"They rank the symbols {'slightly right' if ranks.mean > 0 else 'the wrong way round'} ({size})."


def _volatility_sentence(overall: ForecastSkill) -> str:
    variance = overall.variance
    if not variance:
        return ""
    verb = "beat" if variance.beats_ewma else "do not beat"
    pair = f"QLIKE {variance.qlike:.3f} against {variance.ewma_qlike:.3f}"
    return f"As volatility forecasts they {verb} a RiskMetrics EWMA ({pair})."


def _forecast_sentence(overall: ForecastSkill, settings: Settings) -> str:
    skill, p = overall.returns.skill_mse, overall.diebold_mariano.p_less
    if skill is None:
        return (
            "There is no out-of-sample forecast whose outcome is known, so nothing can be said about skill."
        )
    horizon = settings.label.horizon_bars
    naive = f"the naive forecast of no change over {horizon} bar{'s' if horizon > 1 else ''}"
    evidence = f"one-sided Diebold-Mariano {_p_value(p)}" if p is not None else "no test is possible"
    size = (
        f"squared error {abs(skill):.2%} {'lower' if skill > 0 else 'higher'}" if skill else "the same error"
    )
    bars = f"{overall.bars:,} bars out of sample"
    if overall.beats_naive:
        return f"The forecasts beat {naive}: {size} ({evidence}, {bars})."
    tail = "; that is within luck" if skill > 0 else ""
    return f"The forecasts do not beat {naive}: {size} ({evidence}, {bars}){tail}."


def _strategy_sentence(strategy: StrategyMetrics, benchmark: ReturnMetrics, settings: Settings) -> str:
    costs = settings.execution.fee_bps + settings.execution.slippage_bps
    held = f"buying and holding the same symbols returned {benchmark.total_return:.1%}"
    if not strategy.trades and not strategy.mean_gross_exposure:
        return f"The strategy never traded; {held}."
    verb = "beat" if strategy.total_return > benchmark.total_return else "did not beat"
    return (
        f"The strategy {verb} buy-and-hold: it returned {strategy.total_return:.1%} after costs of "
        f"{costs:g} basis points per fill, while {held}."
    )


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
