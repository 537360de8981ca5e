"""Alpaca's MCP server: every tool of it that calls the API, through FastMCP's own client."""

import asyncio
import os
import sys

from asking import addresses, control, told

URL, _, CONTROL = addresses()
os.environ.update(ALPACA_API_KEY="key", ALPACA_SECRET_KEY="secret", DATA_API_URL=URL)

import alpaca_mcp_server.server as server  # noqa: E402  it reads its address when it is imported
from fastmcp import Client  # noqa: E402

server.TRADING_API_BASE_URLS["paper"] = URL  # the one address that no setting reaches
COIN, SHARE = "BTC/USD", "AAPL"
SPAN = {"start": "2026-02-24T00:00:00Z", "end": "2026-02-28T00:00:00Z"}
COINS = {"loc": "us", "symbols": COIN}
REFUSED = ("501", "404", "403", "422")
OPTION = "AAPL261218C00100000"
ALPACA_DOCS = {
    "search_alpaca_docs",
    "fetch_alpaca_doc",
    "search_alpaca_api_specs",
    "list_alpaca_api_endpoints",
    "get_alpaca_endpoint_docs",
}


def listed(answer):
    """A list is wrapped by FastMCP into an object."""
    return answer["result"] if isinstance(answer, dict) and set(answer) == {"result"} else answer


def refusals():
    quote = {"symbols": OPTION}
    return {
        "place_option_order": {"qty": "1", "symbol": OPTION, "side": "buy"},
        "get_locates": {},
        "create_locate": {"symbol": SHARE, "qty": 1, "Idempotency-Key": "a"},
        "get_locate": {"locate_id": "0ac7a3d3-5a19-4a9b-8f9d-3a0d0a3a4c11"},
        "get_locate_quotes": {"symbols": SHARE},
        "get_option_contract": {"symbol_or_id": OPTION},
        "do_not_exercise_options_position": {"symbol_or_contract_id": OPTION},
        "exercise_options_position": {"symbol_or_contract_id": OPTION},
        "get_fixed_income_latest_quotes": {"isins": "US912797SU24"},
        "get_option_bars": {**quote, "timeframe": "1Day"},
        "get_option_exchange_codes": {},
        "get_option_latest_quote": quote,
        "get_option_snapshot": quote,
        "get_option_chain": {"underlying_symbol": SHARE},
        "get_option_trades": quote,
        "get_option_latest_trade": quote,
        "get_market_movers": {"market_type": "stocks"},
        "get_most_active_stocks": {},
        "get_crypto_latest_orderbook": COINS,
    }


async def main():
    async with Client(server.build_server()) as client:
        names = {tool.name for tool in await client.list_tools()} - ALPACA_DOCS
        asked = set()

        async def ask(name, right, /, **arguments):
            asked.add(name)
            try:
                answer = await client.call_tool(name, arguments)
                data = listed((answer.structured_content or {}).get("data"))
                told(name, right(data), data)
            except Exception as problem:  # noqa: BLE001  as in `asking`
                told(name, False, f"{type(problem).__name__}: {problem}")
                return None
            return data

        async def refused(name, arguments):
            asked.add(name)
            try:
                answer = await client.call_tool(name, arguments)
                data = (answer.structured_content or {}).get("data")
                told(name, isinstance(data, dict) and "error" in data, data, must_be_refused=True)
            except Exception as problem:  # noqa: BLE001  as in `asking`
                text = str(problem)
                told(name, any(code in text for code in REFUSED), text, must_be_refused=True)

        await ask("get_account_info", lambda a: a["status"] == "ACTIVE" and float(a["cash"]) == 100_000)
        await ask("get_account_config", lambda a: a["suspend_trade"] is False)
        await ask("update_account_config", lambda a: a["no_shorting"] is True, no_shorting=True)
        await ask("get_clock", lambda a: a["is_open"] is True)
        await ask("get_calendar", lambda a: len(a) == 5, start="2026-03-02", end="2026-03-06")
        await ask("get_all_assets", lambda a: [each["symbol"] for each in a] == [COIN], asset_class="crypto")
        await ask("get_asset", lambda a: a["tradable"] is True, symbol_or_asset_id=SHARE)
        made = await ask(
            "place_stock_order",
            lambda a: a["symbol"] == SHARE,
            symbol=SHARE,
            side="buy",
            qty="2",
            client_order_id="mine",
        )
        await ask("place_crypto_order", lambda a: a["symbol"] == COIN, symbol=COIN, side="buy", qty="0.5")
        await ask("get_order_by_id", lambda a: a["status"] == "filled", order_id=made["id"])
        await ask("get_order_by_client_id", lambda a: a["id"] == made["id"], client_order_id="mine")
        await ask("get_orders", lambda a: len(a) == 2, status="all")
        await ask("get_all_positions", lambda a: {each["symbol"] for each in a} == {SHARE, "BTCUSD"})
        await ask("get_open_position", lambda a: a["qty"] == "2", symbol_or_asset_id=SHARE)
        limit = {
            "symbol": SHARE,
            "side": "buy",
            "qty": "1",
            "type": "limit",
            "limit_price": "50",
            "time_in_force": "gtc",
        }
        rests = await ask("place_stock_order", lambda a: a["type"] == "limit", **limit)
        changed = await ask(
            "replace_order_by_id",
            lambda a: float(a["limit_price"]) == 51,
            order_id=rests["id"],
            limit_price="51",
        )
        await ask("cancel_order_by_id", lambda a: True, order_id=changed["id"])
        await ask("get_order_by_id", lambda a: a["status"] == "canceled", order_id=changed["id"])
        await ask("place_stock_order", lambda a: a["type"] == "limit", **limit)
        await ask("cancel_all_orders", lambda a: len(a) == 1)
        await ask("close_position", lambda a: a["side"] == "sell", symbol_or_asset_id=SHARE)
        await ask("close_all_positions", lambda a: len(a) == 1)
        await ask("get_all_positions", lambda a: a == [])
        await ask("get_account_activities", lambda a: len(a) >= 4)
        await ask("get_account_activities_by_type", lambda a: len(a) == 4, activity_type="FILL")
        control(CONTROL, "advance", to="close")
        await ask("get_portfolio_history", lambda a: a["equity"][-1] > 99_000, period="1W")
        split = {"ca_types": "split", "since": "2026-03-01", "until": "2026-03-31"}
        control(CONTROL, "split", symbol=SHARE, new=2, day="2026-03-05")
        found = await ask("get_corporate_action_announcements", lambda a: a[0]["new_rate"] == "2", **split)
        await ask("get_corporate_action_announcement", lambda a: a["id"] == found[0]["id"], id=found[0]["id"])
        await ask(
            "get_corporate_actions",
            lambda a: len(a["corporate_actions"]["forward_splits"]) == 1,
            symbols=SHARE,
            start="2026-03-01",
            end="2026-03-31",
        )
        await ask("get_option_contracts", lambda a: a["option_contracts"] == [])
        for kind, symbol, where in (("stock", SHARE, {"symbols": SHARE}), ("crypto", COIN, COINS)):
            few = {"symbols": symbol, **SPAN}
            await ask(f"get_{kind}_bars", lambda a, s=symbol: a["bars"][s][0]["c"] > 90, **few)
            await ask(f"get_{kind}_quotes", lambda a, s=symbol: a["quotes"][s][0]["ap"] > 90, **few, limit=5)
            await ask(f"get_{kind}_trades", lambda a, s=symbol: a["trades"][s][0]["p"] > 90, **few, limit=5)
            await ask(f"get_{kind}_latest_bar", lambda a, s=symbol: a["bars"][s]["c"] > 90, **where)
            await ask(f"get_{kind}_latest_quote", lambda a, s=symbol: a["quotes"][s]["ap"] > 90, **where)
            await ask(f"get_{kind}_latest_trade", lambda a, s=symbol: a["trades"][s]["p"] > 90, **where)
            await ask(f"get_{kind}_snapshot", lambda a, s=symbol: s in str(a), **where)
        control(
            CONTROL,
            "news",
            articles=[{"headline": "up", "symbols": [SHARE], "created_at": "2026-02-25T12:00:00Z"}],
        )
        await ask(
            "get_news",
            lambda a: a["news"][0]["headline"] == "up",
            symbols=SHARE,
            start="2026-02-20T00:00:00Z",
        )
        mine = await ask("create_watchlist", lambda a: a["name"] == "few", name="few", symbols=[SHARE])
        few = {"watchlist_id": mine["id"]}
        await ask("get_watchlists", lambda a: [each["name"] for each in a] == ["few"])
        await ask("get_watchlist_by_id", lambda a: len(a["assets"]) == 1, **few)
        await ask("add_asset_to_watchlist_by_id", lambda a: len(a["assets"]) == 2, **few, symbol=COIN)
        await ask("remove_asset_from_watchlist_by_id", lambda a: len(a["assets"]) == 1, **few, symbol=COIN)
        await ask("update_watchlist_by_id", lambda a: a["name"] == "fewer", **few, name="fewer")
        await ask("delete_watchlist_by_id", lambda a: True, **few)
        for name, arguments in refusals().items():
            await refused(name, arguments)
        for name in sorted(names - asked):
            told(name, False, "not asked")


asyncio.run(main())
sys.exit(0)
