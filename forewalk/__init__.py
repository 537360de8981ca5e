"""Forewalk from Python: `import forewalk as fw`.

```
bars = fw.load_bars("prices.csv")        or fw.Bars.from_frame(frame)
result = fw.backtest(bars, settings={"model.seeds": 1})
result.verdict, result.metrics, result.forecasts, result.equity, result.orders, result.trades
result.plot(), result.report(), result.save("runs/mine")
fw.audit(result)
```

| Name | What it is |
|---|---|
| `Bars`, `Bars.from_frame` | prices [time x symbol]; made from a pandas DataFrame |
| `load_bars` | bars from a file, a folder, the bundled sample or Yahoo, cleaned |
| `Settings`, `load_settings` | everything a run depends on; made from a TOML file or a dict |
| `backtest` | bars and settings to a `Result`: train walk-forward, backtest, judge |
| `Result`, `open_run` | a finished run; read back from its folder |
| `audit` | the leak certificate of a result, a run folder or settings |
| `reproduce` | a run made again and compared bit by bit |
| `sweep` | many policy settings on the forecasts of a run |
| `compare` | two runs side by side on what they share |
| `ForecastIndicator` | the forecasts inside a backtrader strategy of your own |
| `ArrayForecaster`, `learning_cells` | the base of a model of your own; what it learns from |
| `paper_account`, `orders_now` | an Alpaca paper account; what a strategy wants on it now |
| `Simulator` | Alpaca's paper API on this machine |
| `ForewalkError` ... | what goes wrong; the class says how to react, see `forewalk.errors` |

Names are imported when they are first used: importing this package takes milliseconds and neither torch, pandas
nor backtrader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forewalk.shadows import check_packages

if TYPE_CHECKING:  # the same names for type checkers; a test holds both lists together
    from broker.simulator.harness import Simulator
    from engine.notebook.comparing import compare
    from engine.notebook.given import load_bars, load_settings
    from engine.notebook.paper import orders_now, paper_account
    from engine.notebook.result import Result, open_run
    from engine.notebook.running import backtest
    from engine.notebook.verbs import audit, reproduce, sweep
    from forewalk.errors import (
        ConfigError,
        ConnectionFailed,
        DataError,
        ForewalkError,
        LeakError,
        LookaheadError,
        PackageShadowed,
        PluginError,
        UsageError,
    )
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars
    from models.arrays import ArrayForecaster, learning_cells
    from strategies.indicator import ForecastIndicator

    __version__: str

check_packages()

_HOMES = {
    "broker.simulator.harness": ("Simulator",),
    "engine.notebook.comparing": ("compare",),
    "engine.notebook.given": ("load_bars", "load_settings"),
    "engine.notebook.paper": ("orders_now", "paper_account"),
    "engine.notebook.result": ("Result", "open_run"),
    "engine.notebook.running": ("backtest",),
    "engine.notebook.verbs": ("audit", "reproduce", "sweep"),
    "forewalk.errors": (
        "ConfigError",
        "ConnectionFailed",
        "DataError",
        "ForewalkError",
        "LeakError",
        "LookaheadError",
        "PackageShadowed",
        "PluginError",
        "UsageError",
    ),
    "forewalk.settings.sections": ("Settings",),
    "forewalk.types": ("Bars",),
    "models.arrays": ("ArrayForecaster", "learning_cells"),
    "strategies.indicator": ("ForecastIndicator",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ArrayForecaster",
    "Bars",
    "ConfigError",
    "ConnectionFailed",
    "DataError",
    "ForecastIndicator",
    "ForewalkError",
    "LeakError",
    "LookaheadError",
    "PackageShadowed",
    "PluginError",
    "Result",
    "Settings",
    "Simulator",
    "UsageError",
    "audit",
    "backtest",
    "compare",
    "learning_cells",
    "load_bars",
    "load_settings",
    "open_run",
    "orders_now",
    "paper_account",
    "reproduce",
    "sweep",
]


if not TYPE_CHECKING:  # a type checker takes a module with this function to have any name at all

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("forewalk")
        if name not in _HOME_OF:
            raise AttributeError(_unknown(name), name=name)
        from importlib import import_module

        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, __all__, n=1)
    hint = f"did you mean fw.{near[0]}?" if near else f"there are: {', '.join(__all__)}"
    return f"forewalk has no {name!r}; {hint}"
