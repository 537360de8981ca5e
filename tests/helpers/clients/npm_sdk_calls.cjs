// @alpacahq/alpaca-trade-api 3 (npm): every call of its `Alpaca`, its order stream and its stream of daily bars.
// `node npm_sdk_calls.cjs URL WS_URL CONTROL_URL`, with NODE_PATH at the folder that `npm install` filled.
const path = require("node:path");
const folder = path.join(process.env.NODE_PATH, "node_modules");
const Alpaca = require(path.join(folder, "@alpacahq/alpaca-trade-api"));

const [URL_, , CONTROL] = process.argv.slice(2);
const PATIENCE_MS = 30_000;
const COIN = "BTC/USD";
const SHARE = "AAPL";
const OPTION = "AAPL261218C00100000";
const span = () => ({ start: "2026-02-24", end: "2026-02-28", timeframe: "1Day" });
const few = () => ({ start: "2026-02-24", end: "2026-02-28", limit: 5 });

const alpaca = new Alpaca({
  keyId: "key", secretKey: "secret", baseUrl: URL_, dataBaseUrl: URL_, dataStreamUrl: URL_, paper: true,
});

function told(call, right, said, refused = false) {
  let text;
  try { text = JSON.stringify(said) ?? String(said); } catch { text = String(said); }
  console.log(JSON.stringify({ call, right: Boolean(right), refused, said: text.slice(0, 300) }));
}

async function ask(name, call, right) {
  try {
    const answer = await call();
    told(name, await right(answer), answer);
    return answer;
  } catch (problem) {
    told(name, false, `${problem} ${JSON.stringify(problem.response?.data ?? null)}`);
    return null;
  }
}

async function refused(name, call) {
  try {
    told(name, false, await call(), true);
  } catch (problem) {
    const status = problem.response?.status ?? Number(/code: (\d+)/.exec(problem.message)?.[1]);
    told(name, status === 501 || status === 404, problem.message, true);
  }
}

async function control(name, body = {}) {
  const answer = await fetch(`${CONTROL}/${name}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  return answer.json();
}

async function listed(generator) {
  const items = [];
  for await (const item of generator) items.push(item);
  return items;
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const order = (fields = {}) =>
  alpaca.createOrder({ symbol: SHARE, qty: 2, side: "buy", type: "market", time_in_force: "day", ...fields });
const resting = () => order({ type: "limit", limit_price: "50", time_in_force: "gtc" });
const none = async () => (await alpaca.getOrders()).length === 0;

async function trading() {
  await ask("getAccount", () => alpaca.getAccount(), (a) => a.status === "ACTIVE" && Number(a.cash) === 100_000);
  await ask("getAccountConfigurations", () => alpaca.getAccountConfigurations(), (a) => a.suspend_trade === false);
  await ask("updateAccountConfigurations", () => alpaca.updateAccountConfigurations({ no_shorting: true }),
    (a) => a.no_shorting === true);
  await ask("getClock", () => alpaca.getClock(), (a) => a.is_open === true);
  await ask("getCalendar", () => alpaca.getCalendar({ start: "2026-03-02", end: "2026-03-06" }), (a) => a.length === 5);
  await ask("getAssets", () => alpaca.getAssets({ asset_class: "crypto" }), (a) => a[0].symbol === COIN);
  await ask("getAsset", () => alpaca.getAsset(SHARE), (a) => a.tradable === true);
  const bought = await ask("createOrder", () => order({ client_order_id: "mine" }), (a) => a.symbol === SHARE);
  await ask("getOrder", () => alpaca.getOrder(bought.id), (a) => a.status === "filled");
  await ask("getOrderByClientId", () => alpaca.getOrderByClientId("mine"), (a) => a.id === bought.id);
  await ask("getOrders", () => alpaca.getOrders({ status: "all" }), (a) => a.length === 1 && a[0].id === bought.id);
  const rests = await resting();
  const moved = await ask("replaceOrder", () => alpaca.replaceOrder(rests.id, { limit_price: "51" }),
    (a) => Number(a.limit_price) === 51);
  await ask("cancelOrder", () => alpaca.cancelOrder(moved.id), none);
  await resting();
  await ask("cancelAllOrders", () => alpaca.cancelAllOrders(), none);
  await ask("getPositions", () => alpaca.getPositions(), (a) => a.length === 1 && a[0].qty === "2");
  await ask("getPosition", () => alpaca.getPosition(SHARE), (a) => a.side === "long");
  await ask("closePosition", () => alpaca.closePosition(SHARE), (a) => a.side === "sell");
  await order();
  await ask("closeAllPositions", () => alpaca.closeAllPositions(),
    async (a) => a.length === 1 && (await alpaca.getPositions()).length === 0);
  await ask("getAccountActivities", () => alpaca.getAccountActivities({ activityTypes: "FILL" }), (a) => a.length === 4);
}

async function watchlists() {
  const made = await ask("addWatchlist", () => alpaca.addWatchlist("few", [SHARE]), (a) => a.name === "few");
  await ask("getWatchlists", () => alpaca.getWatchlists(), (a) => a.length === 1 && a[0].name === "few");
  await ask("getWatchlist", () => alpaca.getWatchlist(made.id), (a) => a.assets.length === 1);
  await ask("addToWatchlist", () => alpaca.addToWatchlist(made.id, COIN), (a) => a.assets.length === 2);
  await ask("deleteFromWatchlist", () => alpaca.deleteFromWatchlist(made.id, SHARE), (a) => a.assets.length === 1);
  await ask("updateWatchlist", () => alpaca.updateWatchlist(made.id, { name: "fewer", symbols: [SHARE] }),
    (a) => a.name === "fewer");
  await ask("deleteWatchlist", () => alpaca.deleteWatchlist(made.id), async () => (await alpaca.getWatchlists()).length === 0);
}

async function shares() {
  const one = (map) => map.get(SHARE);
  await ask("getBarsV2", () => listed(alpaca.getBarsV2(SHARE, span())), (a) => a.length && a.every((b) => b.HighPrice > b.LowPrice));
  await ask("getMultiBarsV2", () => alpaca.getMultiBarsV2([SHARE], span()), (a) => one(a).length > 0);
  await ask("getMultiBarsAsyncV2", () => listed(alpaca.getMultiBarsAsyncV2([SHARE], span())), (a) => a[0].ClosePrice > 90);
  await ask("getTradesV2", () => listed(alpaca.getTradesV2(SHARE, few())), (a) => a.length === 5 && a[0].Price > 90);
  await ask("getMultiTradesV2", () => alpaca.getMultiTradesV2([SHARE], few()), (a) => one(a).length === 5);
  await ask("getMultiTradesAsyncV2", () => listed(alpaca.getMultiTradesAsyncV2([SHARE], few())), (a) => a.length === 5);
  await ask("getQuotesV2", () => listed(alpaca.getQuotesV2(SHARE, few())), (a) => a[0].AskPrice >= a[0].BidPrice);
  await ask("getMultiQuotesV2", () => alpaca.getMultiQuotesV2([SHARE], few()), (a) => one(a).length === 5);
  await ask("getMultiQuotesAsyncV2", () => listed(alpaca.getMultiQuotesAsyncV2([SHARE], few())), (a) => a.length === 5);
  await ask("getLatestBar", () => alpaca.getLatestBar(SHARE), (a) => a.ClosePrice > 90);
  await ask("getLatestBars", () => alpaca.getLatestBars([SHARE]), (a) => one(a).ClosePrice > 90);
  await ask("getLatestTrade", () => alpaca.getLatestTrade(SHARE), (a) => a.Price > 90);
  await ask("getLatestTrades", () => alpaca.getLatestTrades([SHARE]), (a) => one(a).Price > 90);
  await ask("getLatestQuote", () => alpaca.getLatestQuote(SHARE), (a) => a.AskPrice >= a.BidPrice);
  await ask("getLatestQuotes", () => alpaca.getLatestQuotes([SHARE]), (a) => one(a).AskPrice >= one(a).BidPrice);
  await ask("getSnapshot", () => alpaca.getSnapshot(SHARE), (a) => a.LatestTrade.Price > 90);
  await ask("getSnapshots", () => alpaca.getSnapshots([SHARE]), (a) => a[0].DailyBar.ClosePrice > 90);
  await control("dividend", { symbol: SHARE, rate: "0.25", day: "2026-03-05" });
  await ask("getCorporateActions", () => alpaca.getCorporateActions([SHARE], { start: "2026-01-01", end: "2026-12-31" }),
    (a) => a.CashDividends.length === 1 && a.CashDividends[0].Rate === 0.25);
}

async function coins() {
  const one = (map) => map.get(COIN);
  await ask("getCryptoBars", () => alpaca.getCryptoBars([COIN], span()), (a) => one(a).length === 5);
  await ask("getCryptoTrades", () => alpaca.getCryptoTrades([COIN], few()), (a) => one(a).length === 5);
  await ask("getCryptoQuotes", () => alpaca.getCryptoQuotes([COIN], few()), (a) => one(a).length === 5);
  await ask("getLatestCryptoBars", () => alpaca.getLatestCryptoBars([COIN]), (a) => one(a).Close > 90);
  await ask("getLatestCryptoTrades", () => alpaca.getLatestCryptoTrades([COIN]), (a) => one(a).Price > 90);
  await ask("getLatestCryptoQuotes", () => alpaca.getLatestCryptoQuotes([COIN]), (a) => one(a).AskPrice >= one(a).BidPrice);
  await ask("getCryptoSnapshots", () => alpaca.getCryptoSnapshots([COIN]), (a) => one(a).LatestTrade.Price > 90);
  await refused("getCryptoOrderbooks", () => alpaca.getCryptoOrderbooks([COIN]));
}

async function options() {
  await refused("getOptionBars", () => alpaca.getOptionBars([OPTION], span()));
  await refused("getOptionTrades", () => alpaca.getOptionTrades([OPTION], few()));
  await refused("getOptionLatestTrades", () => alpaca.getOptionLatestTrades([OPTION]));
  await refused("getOptionLatestQuotes", () => alpaca.getOptionLatestQuotes([OPTION]));
  await refused("getOptionSnapshots", () => alpaca.getOptionSnapshots([OPTION]));
  await refused("getOptionChain", () => alpaca.getOptionChain(SHARE, {}));
}

async function streams() {
  const updates = alpaca.trade_ws;
  const connected = new Promise((resolve) => updates.onConnect(resolve));
  const events = [];
  const filled = new Promise((resolve) => {
    updates.onOrderUpdate((said) => {
      events.push(said.event);
      if (said.event === "fill") resolve(said);
    });
  });
  updates.connect();
  await ask("trade_ws", async () => {
    await within(connected, "the handshake");
    updates.subscribe(["trade_updates"]);
    await control("clock");
    await order({ client_order_id: "seen" });
    return within(filled, "the fill");
  }, (a) => a.order.client_order_id === "seen" && events.includes("new"));
  updates.disconnect();

  const bars = alpaca.data_stream_v2;
  bars.session.url = bars.session.url.replace(/^wss/, "ws"); // the SDK knows TLS only
  const came = new Promise((resolve) => bars.onStockDailyBar(resolve));
  const granted = new Promise((resolve) => {
    bars.onConnect(() => bars.subscribeForDailyBars([SHARE]));
    const seen = bars.updateSubscriptions.bind(bars);
    bars.updateSubscriptions = (said) => { seen(said); resolve(said); };
  });
  bars.connect();
  await ask("data_stream_v2", async () => {
    await within(granted, "the subscription");
    await control("advance", { seconds: 12 * 3600 }); // beyond midnight UTC, where these days end
    return within(came, "the daily bar");
  }, (a) => a.Symbol === SHARE && a.ClosePrice > 90);
  bars.disconnect();
}

async function main() {
  await trading();
  await watchlists();
  await options();
  await streams();
  await ask("getPortfolioHistory", () => alpaca.getPortfolioHistory({ period: "1W" }), (a) => a.equity.at(-1) > 0);
  await shares();
  await coins();
  await control("news", { articles: [{ headline: "up", symbols: [SHARE], created_at: "2026-02-25T12:00:00Z" }] });
  await ask("getNews", () => alpaca.getNews({ symbols: [SHARE] }), (a) => a[0].Headline === "up");
}

main().then(() => process.exit(0), (problem) => { console.error(problem); process.exit(1); });
