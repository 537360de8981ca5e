"""The headline numbers of a run, each beside its baseline: what the terminal and a notebook show."""

from __future__ import annotations

from collections.abc import Iterator

from engine.evaluation.metrics.accounts.relative import Alpha
from engine.evaluation.subject import Metrics
from engine.report.tables import Cells


def headline_rows(metrics: Metrics) -> list[Cells]:
    """Return (what, this run, naive or buy-and-hold) as text: forecasts first, then the account and its luck."""
    return [*_forecast_rows(metrics), *_account_rows(metrics)]


def _forecast_rows(metrics: Metrics) -> Iterator[Cells]:
    overall = metrics.forecast.overall
    returns, direction, ranks, variance = (
        overall.returns,
        overall.direction,
        overall.rank_ic,
        overall.variance,
    )
    for name, own, naive in (
        ("MAE", returns.mae, returns.naive_mae),
        ("RMSE", returns.rmse, returns.naive_rmse),
    ):
        yield f"forecast {name} (log return)", _text(own, "{:.6f}"), _text(naive, "{:.6f}")
    yield "forecast skill (1 - MSE / naive MSE)", _text(returns.skill_mse, "{:+.4%}"), "0"
    yield (
        "direction right (base rate)",
        _text(direction.accuracy, "{:.2%}"),
        _text(direction.base_rate, "{:.2%}"),
    )
    if ranks:
        yield "rank IC per bar (t)", f"{_text(ranks.mean, '{:.4f}')} ({_text(ranks.t, '{:.2f}')})", "0"
    scores = {
        name: score
        for name, score in metrics.baselines.forecasters.items()
        if name not in ("zero", "shuffled_twin")
    }
    known = {name: score.skill_mse for name, score in scores.items() if score.skill_mse is not None}
    best = max(known, key=lambda name: known[name], default="none has a known outcome")
    yield "best forecaster on the same rows", best, _text(known.get(best), "{:+.4%}")
    if variance:
        yield (
            "volatility QLIKE (EWMA)",
            _text(variance.qlike, "{:.4f}"),
            _text(variance.ewma_qlike, "{:.4f}"),
        )


def _account_rows(metrics: Metrics) -> Iterator[Cells]:
    own, held = metrics.strategy, metrics.benchmark
    for label, form, value, beside in (
        ("total return", "{:.1%}", own.total_return, held.total_return),
        ("return per year", "{:.2%}", own.cagr, held.cagr),
        ("volatility per year", "{:.1%}", own.volatility_annual, held.volatility_annual),
        ("Sharpe ratio", "{:.2f}", own.sharpe_annual, held.sharpe_annual),
        ("largest drawdown", "{:.1%}", own.max_drawdown, held.max_drawdown),
    ):
        yield label, _text(value, form), _text(beside, form)
    luck, orders = metrics.luck, metrics.orders
    if luck.sharpe.low is not None:
        yield "Sharpe ratio, 95% interval", f"{luck.sharpe.low:.2f} to {luck.sharpe.high:.2f}", ""
        yield "alpha per year against buy-and-hold (t)", _alpha(luck.alpha), "0"
        beaten = "cash" if luck.against == "cash" else "buy-and-hold"
        tries = f"{luck.tries} {'try' if luck.tries == 1 else 'tries'}"
        yield f"1 - p: more than {beaten} ({tries})", _text(luck.deflated.probability, "{:.2f}"), ""
    yield "trades closed", str(own.trades), ""
    refused = orders.margin + orders.rejected
    yield "orders filled (refused)", f"{orders.filled + orders.partial:.0f} ({refused:.0f})", ""
    yield "fees + slippage paid", f"{orders.fees_paid + orders.slippage_paid:,.2f}", ""


def _alpha(alpha: Alpha) -> str:
    if alpha.alpha_per_year is None or alpha.t is None:
        return "-"
    return f"{alpha.alpha_per_year:.2%} ({alpha.t:.2f})"


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
