"""The account against factors of the user's own: what they do not explain."""

from __future__ import annotations

from dataclasses import dataclass

from engine.evaluation.metrics.accounts.relative import Alpha, alpha_against
from engine.evaluation.metrics.door import Record
from forewalk.data.factors.laying import FactorReturns
from forewalk.types import FloatArray

BUY_AND_HOLD = "buy_and_hold"


@dataclass(frozen=True)
class FactorMetrics(Record):
    """Alpha against the factors of a file.

    Attributes:
        file: its name. sha256: of what it holds. unit: in which it was written, "percent" or "fraction".
        risk_free: whether it holds the return of cash, which the account's is then measured beyond.
        bars: of the account; `alpha.observations` of them have all factors.
        alpha: against all of them; with buying and holding the same symbols where the file has no market.
    """

    file: str
    sha256: str
    unit: str
    risk_free: bool
    bars: int
    alpha: Alpha


def factor_metrics(
    factors: FactorReturns, returns: FloatArray, benchmark: FloatArray, bars_per_year: float
) -> FactorMetrics:
    """Regress an account on its factors, see `alpha_against`.

    Args:
        factors: on the bars of the account.
        returns, benchmark: simple returns of the account and of buying and holding the same symbols, [T]. The first
            of them is of no bar, and is left out.
        bars_per_year: annualises.
    """
    source, cash = factors.source, factors.risk_free
    columns = dict(zip(source.names, factors.values.T, strict=True))
    if source.market is None:
        columns = {BUY_AND_HOLD: benchmark if cash is None else benchmark - cash, **columns}
    own = returns if cash is None else returns - cash
    alpha = alpha_against(own[1:], {name: column[1:] for name, column in columns.items()}, bars_per_year)
    return FactorMetrics(source.file, source.sha256, source.unit, cash is not None, len(returns) - 1, alpha)
