"""The API: forecasts, runs, jobs and the paper book, with tags, pages, keys that ask once, and errors as problems."""

import json
from collections import Counter

import pytest

from engine.web.access.plans import Plan
from helpers.run_folders import make_run
from helpers.web import client_in
from helpers.web_content import write_book, write_log

API = "/api/v1"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A client of a server that has a run, a log and a paper book."""
    folder = tmp_path_factory.mktemp("desk")
    make_run(folder / "runs" / "first", rows=40)
    write_log(folder / "runs" / "forecasts.sqlite")
    file, _ = write_book(folder)
    return client_in(folder, paper=file)


def test_every_answer_says_how_many_requests_are_left(desk):
    headers = desk.get(f"{API}/health").headers
    assert int(headers["ratelimit-remaining"]) < int(headers["ratelimit-limit"])
    assert 0 <= int(headers["ratelimit-reset"]) <= 60


def test_too_many_requests_are_turned_away_with_the_time_to_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.web.access.doorkeeper.PERSON_ALONE", Plan(requests_a_minute=3))
    client = client_in(tmp_path)
    answers = [client.get(f"{API}/me") for _ in range(8)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert answers[0].status_code == 200
    turned = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(turned.headers["retry-after"]) <= 60
    assert "3 requests a minute" in turned.json()["detail"]


def test_the_latest_forecasts_are_one_a_symbol_with_their_outcome_open(desk):
    found = desk.get(f"{API}/forecasts/latest").json()
    assert [(row["symbol"], row["asof"][:10], row["actual"]) for row in found] == [
        ("AAPL", "2024-01-04", None),
        ("MSFT", "2024-01-04", None),
    ]
    assert found == desk.get(f"{API}/forecasts/latest?horizon_bars=1").json()
    assert desk.get(f"{API}/forecasts/latest?horizon_bars=5").json() == []


def test_the_history_comes_in_pages_the_newest_first(desk):
    def page(offset):
        return desk.get(f"{API}/forecasts?symbol=AAPL&limit=2&offset={offset}").json()

    first, second = page(0), page(2)
    assert (first["total"], len(first["items"]), len(second["items"])) == (3, 2, 1)
    days = [row["asof"] for row in first["items"] + second["items"]]
    assert days == sorted(days, reverse=True)
    assert second["items"][0]["actual"] == 0.01


def test_the_track_record_is_that_of_the_command(desk):
    from engine.forecast.track import track_record

    told = desk.get(f"{API}/forecasts/track-record").json()
    expected = track_record(desk.app.state.runs_folder / "forecasts.sqlite").to_dict()
    del expected["forecasts"]
    assert told == json.loads(json.dumps(expected))
    assert told["skill"]["forecasts"] == 4


@pytest.mark.parametrize(
    "path", ["/forecasts/latest", "/forecasts", "/forecasts/track-record", "/runs/first"]
)
def test_what_has_not_changed_is_not_sent_again(desk, path):
    tag = desk.get(API + path).headers["etag"]
    again = desk.get(API + path, headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert desk.get(API + path, headers={"if-none-match": '"other"'}).status_code == 200


def test_a_new_forecast_is_seen_at_once(tmp_path):
    client = client_in(tmp_path)
    assert client.get(f"{API}/forecasts/latest").json() == []
    write_log(tmp_path / "runs" / "forecasts.sqlite")
    assert len(client.get(f"{API}/forecasts/latest").json()) == 2


def test_symbols_are_those_bundled_and_those_forecast(desk):
    found = {row["symbol"]: row for row in desk.get(f"{API}/symbols").json()}
    assert found["AAPL"]["bundled"]
    assert found["AAPL"]["forecast_asof"][:10] == "2024-01-04"
    assert found["IBM"]["forecast_asof"] is None


def test_runs_are_listed_read_and_their_files_given(desk):
    (run,) = desk.get(f"{API}/runs").json()["items"]
    assert (run["name"], run["path"]) == ("first", "first")  # no folder of this machine
    assert desk.get(f"{API}/runs/first").json()["metrics"] == {"none": 0}
    files = {row["path"]: row["bytes"] for row in desk.get(f"{API}/runs/first/artefacts").json()}
    orders = desk.get(f"{API}/runs/first/artefacts/orders.csv")
    assert len(orders.content) == files["orders.csv"]
    assert orders.headers["content-type"].startswith("text/csv")


def test_a_page_of_a_run_comes_in_a_sandbox(desk):
    folder = desk.app.state.runs_folder / "first"
    (folder / "index.html").write_text("<script>alert(1)</script>")
    headers = desk.get(f"{API}/runs/first/artefacts/index.html").headers
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert "script-src" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "first/artefacts/../../../serve/server.sqlite",
        "first/artefacts/..%2f..%2fserver.sqlite",
        "first/artefacts/%2e%2e/%2e%2e/forecasts.sqlite",
        "first/artefacts//etc/passwd",
        "first/artefacts/%2fetc%2fpasswd",
        "first/artefacts/config.toml%00.html",
        "first/artefacts/link",
        "first/artefacts/",
        "..",
        "..%2f..",
        "%2e%2e/artefacts/forecasts.sqlite",
        ".hidden",
        "first%00",
        "nothing",
    ],
)
def test_no_name_leads_out_of_a_run(desk, path):
    link = desk.app.state.runs_folder / "first" / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(desk.app.state.runs_folder / "forecasts.sqlite")
    answer = desk.get(f"{API}/runs/{path}")
    link.unlink()
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_two_runs_are_compared_without_their_folders(desk):
    make_run(desk.app.state.runs_folder / "second", rows=40, skill=0.1)
    found = desk.get(f"{API}/compare?run=first&run=second").json()
    assert [each["name"] for each in found["runs"]] == ["first", "second"]
    assert str(desk.app.state.runs_folder) not in json.dumps(found)
    assert desk.get(f"{API}/compare?run=first").status_code == 422
    assert desk.get(f"{API}/compare?run=first&run=none").status_code == 404


def test_a_backtest_is_queued_once_for_its_key_and_can_be_stopped(desk):
    body = {"settings": {"data.symbols": "AAPL"}}
    first, again = (
        desk.post(f"{API}/backtests", json=body, headers={"idempotency-key": "monday"}) for _ in range(2)
    )
    assert (first.status_code, again.json()) == (202, first.json())
    place = first.headers["location"]
    assert desk.get(place).json()["state"] == "queued"
    assert desk.get(f"{place}/result").status_code == 409
    assert desk.post(f"{place}/cancel").json()["state"] == "cancelled"
    assert desk.get(f"{API}/jobs?state=cancelled").json()["total"] == 1
    other = desk.post(f"{API}/backtests", json={"settings": {}}, headers={"idempotency-key": "monday"})
    assert other.status_code == 409
    assert "another question" in other.json()["detail"]


def test_the_events_of_a_job_that_has_ended_are_its_state_and_the_end(desk):
    job = desk.post(f"{API}/forecasts", json={"run": "first"}).json()
    desk.post(f"{API}/jobs/{job['id']}/cancel")
    stream = desk.get(f"{API}/jobs/{job['id']}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    (data,) = [line.removeprefix("data: ") for line in stream.text.splitlines() if line.startswith("data: ")]
    assert json.loads(data)["state"] == "cancelled"
    assert desk.get(f"{API}/jobs/none/events").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/backtests", {"settings": {"model.hidden": 1}}, "hidden_size"),
        ("/backtests", {"settings": 3}, "body.settings"),
        ("/forecasts", {"run": "first", "settings": {"seed": 1}}, "Extra inputs"),
        ("/runs/first/sweeps", {"vary": ["strategy.entry"]}, "--vary"),
        ("/runs/first/sweeps", {"vary": "x"}, "body.vary"),
    ],
)
def test_what_is_wrong_is_said_with_the_value_that_is_wrong(desk, path, body, said):
    answer = desk.post(API + path, json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_sweeps_audits_and_reproductions_are_jobs_of_a_run(desk):
    kinds = {"sweeps": {"vary": ["strategy.entry=0,0.1"]}, "audits": None, "reproductions": None}
    jobs = [desk.post(f"{API}/runs/first/{kind}", json=body).json() for kind, body in kinds.items()]
    assert [job["kind"] for job in jobs] == ["sweep", "audit", "reproduce"]
    assert [desk.post(f"{API}/runs/none/{kind}", json=body).status_code for kind, body in kinds.items()] == [
        404
    ] * 3
    for job in jobs:
        desk.post(f"{API}/jobs/{job['id']}/cancel")


def test_more_jobs_than_the_plan_allows_are_turned_away(tmp_path):
    client = client_in(tmp_path, plan=Plan(waiting_jobs=2))
    answers = [client.post(f"{API}/backtests", json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[-1].headers["retry-after"]


def test_openapi_tells_every_error_as_a_problem(desk):
    described = desk.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    operations = [
        (path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 30
    for path, method, operation in operations:
        errors = {status: told for status, told in operation["responses"].items() if status >= "400"}
        assert {"400", "401", "403", "422", "429", "500"} <= errors.keys(), (path, method)
        assert {tuple(told["content"]) for told in errors.values()} == {("application/problem+json",)}
        assert ("404" in errors) or "{" not in path, (path, method)
    assert max(Counter(each["operationId"] for _, _, each in operations).values()) == 1


def test_an_explanation_is_given_once_it_has_been_measured(desk, tmp_path):
    make_run(tmp_path / "runs" / "second", rows=40)
    client = client_in(tmp_path)
    missing = client.get(f"{API}/runs/second/explanation")
    assert missing.status_code == 404
    assert "forewalk explain RUN" in missing.json()["detail"]
    told = {"measure": "likelihood", "features": [{"feature": "gap", "likelihood": 0.1}]}
    (tmp_path / "runs" / "second" / "explanation.json").write_text(json.dumps(told), encoding="utf-8")
    found = client.get(f"{API}/runs/second/explanation")
    assert found.json() == told
    again = client.get(f"{API}/runs/second/explanation", headers={"If-None-Match": found.headers["etag"]})
    assert again.status_code == 304
    assert "/api/v1/runs/{run}/explanation" in client.get("/openapi.json").json()["paths"]
