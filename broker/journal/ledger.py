"""The ledger: executions, each booked once, and changes of position that came from no order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from broker.failpoints import reach
from broker.journal.diary import add_line
from broker.journal.file import JournalFile
from broker.journal.records import read_fill, read_stamp, stamp
from broker.values import Fill, plain

COIN_FEE = "coin_fee"  # kind of an adjustment


class Ledger:
    """What the book holds, as the sum of what happened to it."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def add_fills(self, fills: Sequence[Fill], now: datetime) -> list[Fill]:
        """Book executions, each once for ever by its id, and return those that were new."""
        new = []
        reach("before_fill_commit")
        with self._file.transaction() as write:
            for fill in fills:
                owner = write.execute(
                    "SELECT client_order_id FROM orders WHERE broker_id = ?", (fill.order_id,)
                ).fetchone()
                done = write.execute(
                    "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        fill.id,
                        None if owner is None else owner[0],
                        fill.order_id,
                        fill.symbol,
                        fill.side,
                        plain(fill.quantity),
                        plain(fill.price),
                        stamp(fill.at),
                    ),
                )
                if done.rowcount:
                    new.append(fill)
        if new:
            reach("after_fill_commit")
        return new

    def fills(self, own: bool = True) -> list[tuple[Fill, str | None]]:
        """Return executions with our order id, by time; with `own` only those of our orders."""
        where = "WHERE client_order_id IS NOT NULL" if own else ""
        rows = self._file.all(f"SELECT * FROM fills {where} ORDER BY at, execution_id")
        return [(read_fill(row), row["client_order_id"]) for row in rows]

    def last_fill_at(self) -> datetime | None:
        """Return the time of the latest execution booked."""
        row = self._file.one("SELECT MAX(at) AS at FROM fills")
        return None if row is None or row["at"] is None else read_stamp(row["at"])

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the price of the latest execution or adjustment at a price; None where there is none."""
        row = self._file.one(
            "SELECT price FROM (SELECT price, at FROM fills WHERE symbol = ?1 UNION ALL "
            "SELECT price, at FROM adjustments WHERE symbol = ?1) WHERE price > 0 ORDER BY at DESC LIMIT 1",
            symbol,
        )
        return None if row is None else Decimal(row["price"])

    def quantities(self) -> dict[str, Decimal]:
        """Return the signed quantity of each symbol: unique executions of our orders plus adjustments.

        The file adds them up, in billionths of a share, so that a long past costs neither time nor memory.
        """
        total = {
            row["symbol"]: Decimal(row["billionths"]).scaleb(-9)
            for row in self._file.all(
                "SELECT symbol, SUM(CAST(ROUND(quantity * 1e9) AS INTEGER) * IIF(side = 'buy', 1, -1)) AS billionths "
                "FROM fills WHERE client_order_id IS NOT NULL GROUP BY symbol"
            )
        }
        for row in self._file.all("SELECT symbol, quantity FROM adjustments"):
            total[row["symbol"]] = total.get(row["symbol"], Decimal(0)) + Decimal(row["quantity"])
        return {symbol: Decimal(plain(quantity)) for symbol, quantity in total.items() if quantity}

    def missing_fills(self, tolerance: Decimal) -> dict[str, str]:
        """Return the symbol of each order of which the broker has filled more than was booked, by our id."""
        rows = self._file.all(
            "SELECT o.client_order_id, o.symbol FROM orders o LEFT JOIN fills f USING (client_order_id) "
            "WHERE o.filled != '0' GROUP BY o.client_order_id HAVING o.filled - TOTAL(f.quantity) > ?",
            float(tolerance),
        )
        return {row["client_order_id"]: row["symbol"] for row in rows}

    def booked(self) -> dict[str, Decimal]:
        """Return the quantity booked of each of our orders, by our id."""
        rows = self._file.all(
            "SELECT client_order_id AS name, TOTAL(quantity) AS booked FROM fills "
            "WHERE client_order_id IS NOT NULL GROUP BY client_order_id"
        )
        return {row["name"]: round(Decimal(row["booked"]), 9) for row in rows}

    def unbooked(self) -> dict[str, Decimal]:
        """Return, by symbol, the signed quantity that the broker has filled of our orders and was not booked yet."""
        rows = self._file.all(
            "SELECT o.symbol, o.side, o.filled, TOTAL(f.quantity) AS booked FROM orders o "
            "LEFT JOIN fills f USING (client_order_id) WHERE o.filled != '0' GROUP BY o.client_order_id "
            "HAVING o.filled - TOTAL(f.quantity) > 1e-9"
        )
        missing: dict[str, Decimal] = {}
        for row in rows:
            quantity = Decimal(row["filled"]) - round(Decimal(row["booked"]), 9)
            signed = quantity if row["side"] == "buy" else -quantity
            missing[row["symbol"]] = missing.get(row["symbol"], Decimal(0)) + signed
        return missing

    def bought_since_fee(self, symbol: str) -> Decimal:
        """Return what our orders bought of a coin after the last fee of it that was booked."""
        row = self._file.one(
            "SELECT TOTAL(quantity) AS bought FROM fills WHERE client_order_id IS NOT NULL AND side = 'buy' "
            "AND symbol = ?1 AND at > (SELECT IFNULL(MAX(at), '') FROM adjustments WHERE symbol = ?1 AND kind = ?2)",
            symbol,
            COIN_FEE,
        )
        return Decimal(0) if row is None else round(Decimal(row["bought"]), 9)

    def adjust(
        self,
        symbol: str,
        quantity: Decimal,
        price: Decimal,
        now: datetime,
        reason: str,
        kind: str = "adopted",
    ) -> None:
        """Book a change of position that came from no order of ours, because a person says so, or as a fee."""
        with self._file.transaction() as write:
            write.execute(
                "INSERT INTO adjustments (symbol, quantity, price, at, reason, kind) VALUES (?, ?, ?, ?, ?, ?)",
                (symbol, plain(quantity), plain(price), stamp(now), reason, kind),
            )
            add_line(write, now, "adjusted", symbol, "", f"{plain(quantity)} at {plain(price)}: {reason}")

    def adjustments(
        self, without_splits_of: Collection[str] = ()
    ) -> list[tuple[str, Decimal, Decimal, datetime]]:
        """Return (symbol, quantity, price, time) of every adjustment, by time, but for splits of some symbols."""
        found = self._file.all("SELECT * FROM adjustments ORDER BY at, id")
        rows = [r for r in found if r["kind"] != "split" or r["symbol"] not in without_splits_of]
        return [(r["symbol"], Decimal(r["quantity"]), Decimal(r["price"]), read_stamp(r["at"])) for r in rows]
