// The API of a Forewalk server. Written by `make docs` from the OpenAPI document of the server; do not edit.

/** Where the account is: growth of one unit of money since the first decision, deposits taken out. */
export interface AccountPlace {
  decisions: number;
  account: number;
  held: number;
  expected: Record<string, number> | null;
  inside: number | null;
}

/** The account of a run as numbers, [rows of the window that are shown]. */
export interface AccountSeries {
  bars: number;
  within: number;
  shown: number;
  thinned: boolean;
  first: string;
  last: string;
  time: Array<string>;
  equity: Array<number | null>;
  benchmark: Array<number | null>;
  drawdown: Array<number | null>;
  benchmark_drawdown: Array<number | null>;
  exposure: Array<number | null>;
}

/** The nonce that the order was shown with. */
export interface Approval {
  nonce: string;
}

/** A file of a run: its path within it, and its size in bytes. */
export interface Artefact {
  path: string;
  bytes: number;
}

/** One event for one webhook. */
export interface Delivery {
  id: string;
  event: string;
  state: string;
  made: string;
  due: string;
  attempts: number;
  answered: number | null;
  problem: string | null;
  ended: string | null;
}

/** One write: when, by whom (ids; None where nobody is known), how they were known, what, and the answer. */
export interface Entry {
  number: number;
  at: string;
  team: string | null;
  person: string | null;
  via: string;
  method: string;
  path: string;
  address: string;
  status: number | null;
}

/** The secret of the link that the terminal printed, and who the owner shall be. */
export interface FirstOwner {
  secret: string;
  name: string;
  password: string;
}

/** One forecast as it was written down before its outcome was known. */
export interface Forecast {
  number: number;
  written: string;
  symbol: string;
  asof: string;
  closes_at: string;
  horizon_bars: number;
  interval: string;
  execution: string;
  relative: boolean;
  close: number;
  mean: number;
  std: number;
  p_up: number;
  low_80: number;
  high_80: number;
  model: string;
  run: string | null;
  actual: number | null;
}

/** What to stop: a symbol, or everything; `flatten` closes positions at the market too. */
export interface Halt {
  symbol?: string | null;
  reason?: string;
  flatten?: boolean;
}

/** A stop of a symbol, or of everything where that is null; `confirmed` is whether the broker has done it. */
export interface HaltInForce {
  symbol: string | null;
  reason: string;
  since: string;
  flatten: boolean;
  confirmed: boolean;
}

/** That the server answers, and its version. */
export interface Health {
  status: string;
  version: string;
}

/** A piece of long work. */
export interface Job {
  id: string;
  kind: string;
  settings: Record<string, unknown>;
  owner: string;
  team: string;
  state: string;
  submitted: string;
  started?: string | null;
  finished?: string | null;
  progress?: Record<string, unknown> | null;
  result?: Record<string, unknown> | null;
  problem?: string | null;
  cancelled?: boolean;
}

/** A key as it is listed; the key itself is nowhere. */
export interface Key {
  id: string;
  name: string;
  begins: string;
  scopes: Array<string>;
  user: string;
  created: string;
  used: string | null;
}

/** Whether the book still does what its backtest did. */
export interface LiveDrift {
  asof: string | null;
  readings: Array<WatchReading>;
  silent: string;
  account: AccountPlace | null;
  no_band: string;
}

/** What the book is at. */
export interface LiveStatus {
  book: string;
  running: boolean;
  decided: string | null;
  equity: number | null;
  equity_at: string | null;
  positions: Record<string, string>;
  unfinished: number;
  waiting: number;
  halts: Array<HaltInForce>;
  lines: Array<string>;
}

/** Who logs in. */
export interface LogIn {
  name: string;
  password: string;
}

/** Who asks, what they may do, and the quotas of their team. */
export interface Me {
  id: string;
  name: string;
  team: string;
  role: string;
  via: string;
  scopes: Array<string>;
  plan: Record<string, number>;
}

/** What a key is called, and what may be done with it: never more than its user may. */
export interface NewKey {
  name: string;
  scopes: Array<"runs:read" | "live:read" | "runs:write" | "live:approve" | "team:write">;
}

/** The old password, and the new one. */
export interface NewPassword {
  old: string;
  new: string;
}

/** What a user may do from now on. */
export interface NewRole {
  role: "viewer" | "analyst" | "trader" | "owner";
}

/** A team and its first owner. */
export interface NewTeam {
  name: string;
  owner: string;
  password: string;
}

/** A user of the team. */
export interface NewUser {
  name: string;
  password: string;
  role?: "viewer" | "analyst" | "trader" | "owner";
}

/** Where to send, by https, and which events; none means all. */
export interface NewWebhook {
  url: string;
  events?: Array<"job.succeeded" | "job.failed" | "job.cancelled" | "forecast.written" | "live.halt" | "live.alarm">;
}

/** A finished run whose newest model is asked. */
export interface OfRun {
  run: string;
}

/** An order of the book; `nonce` binds an approval to the order as it is shown here, null where none waits. */
export interface Order {
  client_order_id: string;
  symbol: string;
  side: string;
  quantity: string;
  kind: string;
  state: string;
  filled: string;
  average_price: string | null;
  decided_price: string;
  send_from: string;
  valid_until: string;
  reason: string;
  nonce: string | null;
}

/** One page of a list. */
export interface PageOfDelivery {
  items: Array<Delivery>;
  total: number;
  limit: number;
  offset: number;
}

/** One page of a list. */
export interface PageOfEntry {
  items: Array<Entry>;
  total: number;
  limit: number;
  offset: number;
}

/** One page of a list. */
export interface PageOfForecast {
  items: Array<Forecast>;
  total: number;
  limit: number;
  offset: number;
}

/** One page of a list. */
export interface PageOfJob {
  items: Array<Job>;
  total: number;
  limit: number;
  offset: number;
}

/** What a practice book is at. */
export interface Practice {
  running: boolean;
  phase: string;
  day: number;
  days: number;
  problem?: string;
}

/** What went wrong. */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail: string;
  errors?: Array<Record<string, unknown>> | null;
}

/** What differs for a team from the server's own plan; null for what does not. */
export interface Quotas {
  running_jobs?: number | null;
  waiting_jobs?: number | null;
  jobs_a_day?: number | null;
  symbols?: number | null;
  requests_a_minute?: number | null;
}

/** What to lift; see `forewalk live resume --help` for the rest. */
export interface Resume {
  symbol?: string | null;
  adopt?: boolean;
  new_peak?: boolean;
}

/** A finished run: what it depended on, and every number it found. */
export interface Run {
  name: string;
  manifest: Record<string, unknown>;
  metrics: Record<string, unknown>;
}

/** One finished run in a line. */
export interface RunOverview {
  name: string;
  path: string;
  created: string;
  verdict: string;
  symbols: number | null;
  first: string | null;
  last: string | null;
  horizon_bars: number | null;
  model: string | null;
  seed: number | null;
  data_fingerprint: string;
  skill_mse: number | null;
  direction: number | null;
  sharpe: number | null;
  total_return: number | null;
  max_drawdown: number | null;
  latest: boolean;
}

/** Some of the runs, and what is wrong with folders that look like one. */
export interface RunPage {
  items: Array<RunOverview>;
  total: number;
  limit: number;
  offset: number;
  problems: Array<string>;
}

/** What came of it, in words. */
export interface Said {
  lines: Array<string>;
}

/** Settings by key, dotted or nested, as in a settings file; what is not given is the default. */
export interface Settings {
  settings?: Record<string, unknown>;
}

/** A new key; `secret` is shown here and never again. */
export interface ShownKey {
  key: Key;
  secret: string;
}

/** A new webhook, and the secret that its deliveries are signed with, which is never shown again. */
export interface ShownWebhook {
  webhook: Webhook;
  secret: string;
}

/** What to try on a run's stored forecasts: `strategy.entry=0:0.2:0.01`, `execution.fee_bps=0,5`. */
export interface SweepOf {
  vary?: Array<string>;
}

/** A symbol: whether it is bundled with the program, and the newest close that a forecast was made at. */
export interface SymbolEntry {
  symbol: string;
  bundled: boolean;
  forecast_asof: string | null;
}

/** A team; `plan` is what differs from the server's own. */
export interface Team {
  id: string;
  name: string;
  created: string;
  plan: Record<string, number>;
}

/** A file: its name, by which `data.path` names it, and its size in bytes. */
export interface Upload {
  name: string;
  bytes: number;
}

/** A user as others of the team see it. */
export interface User {
  id: string;
  name: string;
  role: string;
  team: string;
  created: string;
}

/** One watch: `level` is its sum over its limit, null where it cannot be read and `detail` says why. */
export interface WatchReading {
  watch: string;
  sessions: number;
  level: number | null;
  since: string | null;
  detail: string;
  alarm: string | null;
}

/** An address that is told; `events` are those that it wants, none of them means all. Its secret is nowhere. */
export interface Webhook {
  id: string;
  url: string;
  events: Array<string>;
  created: string;
  made_by: string;
}

/** Every call, by its method and path. */
export interface Calls {
  /** Say that the server answers. */
  "GET /api/v1/health": {
    path: {  };
    query: { };
    body: undefined;
    answer: Health;
  };
  /** Return the newest forecast of each symbol and horizon. */
  "GET /api/v1/forecasts/latest": {
    path: {  };
    query: { symbol?: string | null; horizon_bars?: number | null; };
    body: undefined;
    answer: Array<Forecast>;
  };
  /** Return every forecast ever given, the newest first, with what came where it is known. */
  "GET /api/v1/forecasts": {
    path: {  };
    query: { symbol?: string | null; horizon_bars?: number | null; limit?: number; offset?: number; };
    body: undefined;
    answer: PageOfForecast;
  };
  /** Queue the next forecast, of a run's newest model or of one trained now; it is logged before its outcome. */
  "POST /api/v1/forecasts": {
    path: {  };
    query: { };
    body: OfRun | Settings;
    answer: Job;
  };
  /** Return how good the forecasts have been, in all, by horizon and by symbol, and whether the log is untouched. */
  "GET /api/v1/forecasts/track-record": {
    path: {  };
    query: { };
    body: undefined;
    answer: Record<string, unknown>;
  };
  /** Return the symbols that are bundled or have been forecast. */
  "GET /api/v1/symbols": {
    path: {  };
    query: { };
    body: undefined;
    answer: Array<SymbolEntry>;
  };
  /** Queue a backtest; follow it at Location. */
  "POST /api/v1/backtests": {
    path: {  };
    query: { };
    body: Settings;
    answer: Job;
  };
  /** Queue a sweep over policy settings of a run; every one is counted as a try. */
  "POST /api/v1/runs/{run}/sweeps": {
    path: { run: string; };
    query: { };
    body: SweepOf;
    answer: Job;
  };
  /** Queue the leak certificate of a run. */
  "POST /api/v1/runs/{run}/audits": {
    path: { run: string; };
    query: { };
    body: undefined;
    answer: Job;
  };
  /** Queue a rerun of a run that says whether anything differs. */
  "POST /api/v1/runs/{run}/reproductions": {
    path: { run: string; };
    query: { };
    body: undefined;
    answer: Job;
  };
  /** Return the team's jobs, the newest first. */
  "GET /api/v1/jobs": {
    path: {  };
    query: { state?: Array<"queued" | "running" | "succeeded" | "failed" | "cancelled"> | null; limit?: number; offset?: number; };
    body: undefined;
    answer: PageOfJob;
  };
  /** Return a job. */
  "GET /api/v1/jobs/{job_id}": {
    path: { job_id: string; };
    query: { };
    body: undefined;
    answer: Job;
  };
  /** Return what a job found, as its command prints it with --json; 409 where it has not succeeded. */
  "GET /api/v1/jobs/{job_id}/result": {
    path: { job_id: string; };
    query: { };
    body: undefined;
    answer: Record<string, unknown>;
  };
  /** Stop a job, waiting or running; one that has ended stays as it is. */
  "POST /api/v1/jobs/{job_id}/cancel": {
    path: { job_id: string; };
    query: { };
    body: undefined;
    answer: Job;
  };
  /** Follow a job: an event `job` whenever it has changed; the stream ends when the job has. */
  "GET /api/v1/jobs/{job_id}/events": {
    path: { job_id: string; };
    query: { };
    body: undefined;
    answer: Job;
  };
  /** Return the finished runs, the newest first. */
  "GET /api/v1/runs": {
    path: {  };
    query: { limit?: number; offset?: number; };
    body: undefined;
    answer: RunPage;
  };
  /** Return what a run depended on and found. */
  "GET /api/v1/runs/{run}": {
    path: { run: string; };
    query: { };
    body: undefined;
    answer: Run;
  };
  /** Return which features carry a run's forecasts; 404 until `forewalk explain` has measured it. */
  "GET /api/v1/runs/{run}/explanation": {
    path: { run: string; };
    query: { };
    body: undefined;
    answer: Record<string, unknown>;
  };
  /** Return the texts that a bar was the first to know, at most 200, and what texts added to the run. */
  "GET /api/v1/runs/{run}/texts": {
    path: { run: string; };
    query: { symbol?: string | null; day?: string | null; };
    body: undefined;
    answer: Record<string, unknown>;
  };
  /** Return the account of a run bar by bar: equity, just holding, how far below the highest so far, and exposure. */
  "GET /api/v1/runs/{run}/series": {
    path: { run: string; };
    query: { since?: string | null; until?: string | null; points?: number; };
    body: undefined;
    answer: AccountSeries;
  };
  /** Return the files of a run. */
  "GET /api/v1/runs/{run}/artefacts": {
    path: { run: string; };
    query: { };
    body: undefined;
    answer: Array<Artefact>;
  };
  /** Return a file of a run. Pages come in a sandbox: nothing in them runs, nothing is loaded. */
  "GET /api/v1/runs/{run}/artefacts/{path}": {
    path: { run: string; path: string; };
    query: { };
    body: undefined;
    answer: Blob;
  };
  /** Say what differs between runs, and whether one forecasts or earns better by more than luck. */
  "GET /api/v1/compare": {
    path: {  };
    query: { run: Array<string>; accounts?: boolean; };
    body: undefined;
    answer: Record<string, unknown>;
  };
  /** Return the team's files by name. */
  "GET /api/v1/uploads": {
    path: {  };
    query: { };
    body: undefined;
    answer: Array<Upload>;
  };
  /** Keep a file; one of the same name stays as it is (409). */
  "POST /api/v1/uploads": {
    path: {  };
    query: { };
    body: FormData;
    answer: Upload;
  };
  /** Say what a file is understood to be, as `forewalk data check --json` does; nothing is run. */
  "GET /api/v1/uploads/{name}/check": {
    path: { name: string; };
    query: { };
    body: undefined;
    answer: Record<string, unknown>;
  };
  /** Remove a file; runs that were made of it keep what they found. */
  "DELETE /api/v1/uploads/{name}": {
    path: { name: string; };
    query: { };
    body: undefined;
    answer: undefined;
  };
  /** Return what the book holds, what it waits for and what is halted. */
  "GET /api/v1/live": {
    path: {  };
    query: { };
    body: undefined;
    answer: LiveStatus;
  };
  /** Return what the watches said after the last session, and where the account is in its backtest's band. */
  "GET /api/v1/live/drift": {
    path: {  };
    query: { };
    body: undefined;
    answer: LiveDrift;
  };
  /** Return the orders that are not finished, or all. */
  "GET /api/v1/live/orders": {
    path: {  };
    query: { all?: boolean; };
    body: undefined;
    answer: Array<Order>;
  };
  /** Let an order go out, if it is still the one that was shown; the daemon sends it. */
  "POST /api/v1/live/orders/{order_id}/approve": {
    path: { order_id: string; };
    query: { };
    body: Approval;
    answer: Order;
  };
  /** Say no to an order that waits. */
  "POST /api/v1/live/orders/{order_id}/reject": {
    path: { order_id: string; };
    query: { };
    body: undefined;
    answer: Order;
  };
  /** Stop a symbol or everything until `resume`: open orders are cancelled, positions closed if asked. */
  "POST /api/v1/live/halt": {
    path: {  };
    query: { };
    body: Halt;
    answer: Said;
  };
  /** Lift a halt after a look at the account; one that would begin again is not lifted, and it is said why. */
  "POST /api/v1/live/resume": {
    path: {  };
    query: { };
    body: Resume;
    answer: Said;
  };
  /** Return what the team's practice book is at: the daemon on a simulator, over past days. */
  "GET /api/v1/live/practice": {
    path: {  };
    query: { };
    body: undefined;
    answer: Practice;
  };
  /** Begin to practise with the models of a run, or with one trained by settings ({}: a small one of the sample). */
  "POST /api/v1/live/practice": {
    path: {  };
    query: { };
    body: OfRun | Settings;
    answer: Practice;
  };
  /** Let the next day come; orders that nobody approved are left. */
  "POST /api/v1/live/practice/next": {
    path: {  };
    query: { };
    body: undefined;
    answer: Practice;
  };
  /** End it; the book can still be read. */
  "POST /api/v1/live/practice/end": {
    path: {  };
    query: { };
    body: undefined;
    answer: Practice;
  };
  /** Return the models of the book, the oldest first, with lineage and age. */
  "GET /api/v1/models": {
    path: {  };
    query: { };
    body: undefined;
    answer: Array<Record<string, unknown>>;
  };
  /** Make the first owner by the link that the terminal printed; it works once. */
  "POST /api/v1/setup": {
    path: {  };
    query: { };
    body: FirstOwner;
    answer: User;
  };
  /** Log in; the session is a cookie that scripts cannot read. */
  "POST /api/v1/session": {
    path: {  };
    query: { };
    body: LogIn;
    answer: undefined;
  };
  /** Log out. */
  "DELETE /api/v1/session": {
    path: {  };
    query: { };
    body: undefined;
    answer: undefined;
  };
  /** Return who asks. */
  "GET /api/v1/me": {
    path: {  };
    query: { };
    body: undefined;
    answer: Me;
  };
  /** Change one's password; every session ends. */
  "PUT /api/v1/me/password": {
    path: {  };
    query: { };
    body: NewPassword;
    answer: undefined;
  };
  /** Return the users of the team. */
  "GET /api/v1/team/users": {
    path: {  };
    query: { };
    body: undefined;
    answer: Array<User>;
  };
  /** Make a user of the team. */
  "POST /api/v1/team/users": {
    path: {  };
    query: { };
    body: NewUser;
    answer: User;
  };
  /** Change what a user may do. */
  "PUT /api/v1/team/users/{user}/role": {
    path: { user: string; };
    query: { };
    body: NewRole;
    answer: User;
  };
  /** Remove a user with sessions and keys. */
  "DELETE /api/v1/team/users/{user}": {
    path: { user: string; };
    query: { };
    body: undefined;
    answer: undefined;
  };
  /** Return the keys of the team; the keys themselves are nowhere. */
  "GET /api/v1/team/keys": {
    path: {  };
    query: { };
    body: undefined;
    answer: Array<Key>;
  };
  /** Make a key; it is shown in this answer and never again. */
  "POST /api/v1/team/keys": {
    path: {  };
    query: { };
    body: NewKey;
    answer: ShownKey;
  };
  /** End a key at once. */
  "DELETE /api/v1/team/keys/{key}": {
    path: { key: string; };
    query: { };
    body: undefined;
    answer: undefined;
  };
  /** Return every write that the team has asked for, the newest first. */
  "GET /api/v1/team/audit": {
    path: {  };
    query: { limit?: number; offset?: number; };
    body: undefined;
    answer: PageOfEntry;
  };
  /** Return the teams of the server; for owners of the team that started it. */
  "GET /api/v1/teams": {
    path: {  };
    query: { };
    body: undefined;
    answer: Array<Team>;
  };
  /** Make a team and its owner; for owners of the team that started the server. */
  "POST /api/v1/teams": {
    path: {  };
    query: { };
    body: NewTeam;
    answer: Team;
  };
  /** Set the quotas of a team; for owners of the team that started the server. */
  "PUT /api/v1/teams/{team}/plan": {
    path: { team: string; };
    query: { };
    body: Quotas;
    answer: undefined;
  };
  /** Return the webhooks of the team. */
  "GET /api/v1/team/webhooks": {
    path: {  };
    query: { };
    body: undefined;
    answer: Array<Webhook>;
  };
  /** Register a webhook; its secret is shown in this answer and never again. */
  "POST /api/v1/team/webhooks": {
    path: {  };
    query: { };
    body: NewWebhook;
    answer: ShownWebhook;
  };
  /** Remove a webhook and what waits for it. */
  "DELETE /api/v1/team/webhooks/{webhook}": {
    path: { webhook: string; };
    query: { };
    body: undefined;
    answer: undefined;
  };
  /** Queue an event of the type `ping`, to see whether it arrives. */
  "POST /api/v1/team/webhooks/{webhook}/ping": {
    path: { webhook: string; };
    query: { };
    body: undefined;
    answer: Delivery;
  };
  /** Return what was and will be delivered, the newest first. */
  "GET /api/v1/team/webhooks/{webhook}/deliveries": {
    path: { webhook: string; };
    query: { limit?: number; offset?: number; };
    body: undefined;
    answer: PageOfDelivery;
  };
  /** Send a delivery once more, under its own id. */
  "POST /api/v1/team/webhooks/{webhook}/deliveries/{delivery}/again": {
    path: { webhook: string; delivery: string; };
    query: { };
    body: undefined;
    answer: Delivery;
  };
}
