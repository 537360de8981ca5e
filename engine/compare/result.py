"""What a comparison of runs came to, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engine.compare.differences import Difference, only_the_seed
from engine.evaluation.paired import AccountPair, ForecastPair

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT_P = 0.05


@dataclass(frozen=True)
class Pairing:
    """The first run beside another one, on the forecasts and the bars that both have.

    Attributes:
        a, b: names. forecasts: None where only accounts were asked for. accounts: of the bars that both have.
        adjusted_p: two-sided p of the test of forecasts, after Holm's allowance for as many tests as there are
            pairings; None where no test is possible.
    """

    a: str
    b: str
    forecasts: ForecastPair | None
    accounts: AccountPair
    adjusted_p: float | None

    @property
    def forecasts_differ(self) -> bool:
        """Whether the test says at 5 % that one of the two forecasts better."""
        return self.adjusted_p is not None and self.adjusted_p < SIGNIFICANT_P

    @property
    def accounts_differ(self) -> bool:
        """Whether the 95 % interval of the difference in return leaves zero out."""
        found = self.accounts.return_difference
        return found.low is not None and found.high is not None and found.low * found.high > 0


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found.

    Attributes:
        runs: names, the first is the one that the others are laid beside. paths: their folders, where they have one.
        same_data: whether all saw the very same bars. differences: what the runs were made from and is not the same.
        pairings: the first run beside each other one.
        curves: value of each account over the bars that all have, 1 at the first; index UTC closes, columns `runs`.
        lead: by how much the first run's squared error was smaller, summed up to each bar; columns the other runs,
            index the bars of the pairing; None where forecasts were not compared.
    """

    runs: tuple[str, ...]
    paths: tuple[str | None, ...]
    same_data: bool
    differences: tuple[Difference, ...]
    pairings: tuple[Pairing, ...]
    curves: pd.DataFrame
    lead: pd.DataFrame | None

    @property
    def only_the_seed(self) -> bool:
        """Whether the runs differ in the seed and in nothing else."""
        return only_the_seed(self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; curves are left out."""
        return {
            "runs": [{"name": name, "path": path} for name, path in zip(self.runs, self.paths, strict=True)],
            "same_data": self.same_data,
            "only_the_seed": self.only_the_seed,
            "differences": [
                {"kind": each.kind, "key": each.key, "values": list(each.values)} for each in self.differences
            ],
            "pairings": [
                {
                    **asdict(each),
                    "forecasts_differ": each.forecasts_differ,
                    "accounts_differ": each.accounts_differ,
                }
                for each in self.pairings
            ],
            "shared_bars": len(self.curves),
        }
