"""Imported once by the server that forks the daemons, so that each starts in a moment."""

import gc
import warnings

warnings.simplefilter("ignore")

from datetime import UTC, datetime  # noqa: E402

import fault_strategies  # noqa: E402
import scene  # noqa: E402, F401

# What the commands import when they are called is imported here, once, before the forks.
import broker.alpaca.client  # noqa: E402
import broker.alpaca.stream  # noqa: E402
import broker.books.shared  # noqa: E402, F401
import engine.cli.app  # noqa: E402
import engine.evaluation.foresight  # noqa: E402
import engine.live.daemon  # noqa: E402
import engine.live.job  # noqa: E402
import engine.live.lock  # noqa: E402
import engine.live.models.files  # noqa: E402
import engine.live.models.retrain  # noqa: E402
import engine.live.models.tasks  # noqa: E402
import engine.live.tradable  # noqa: E402
import engine.live.watch.alarms.channels  # noqa: E402
import engine.live.watch.alarms.heartbeat  # noqa: E402
import engine.live.watch.alarms.opening  # noqa: E402
import engine.live.watch.alarms.sending  # noqa: E402
import engine.live.watch.daily  # noqa: E402
import engine.live.watch.notify  # noqa: E402
import engine.live.watch.status  # noqa: E402, F401
from engine.live.schedule import sessions_around  # noqa: E402

sessions_around("XNYS", datetime(2026, 3, 4, tzinfo=UTC))

# Whatever is built lazily at the first decision is built here, once, before the forks.
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from engine.live.deciding.decide import run_strategy  # noqa: E402
from engine.simulation.orders import AccountState  # noqa: E402
from forewalk.sessions import exchange_zone, session_closes, sessions_between  # noqa: E402
from forewalk.settings.loading import settings_from  # noqa: E402
from forewalk.types import Bars  # noqa: E402

dates = sessions_between("XNYS", "2026-02-02", "2026-03-04")
prices = np.full((len(dates), 2), 100.0)
bars = Bars(session_closes("XNYS", dates), ("AAPL", "MSFT"), prices, prices, prices, prices, prices)
run_strategy(
    bars,
    None,
    settings_from({}),
    fault_strategies.Alternate,
    AccountState(1e5),
    pd.Timestamp(bars.timestamps[0]),
)
exchange_zone("XNYS")
session_closes("XNYS", pd.date_range("2021-01-04", periods=600, freq="D"))  # what an own strategy is tried on

gc.freeze()  # what is here stays: a daemon that tidies up need not look through it
