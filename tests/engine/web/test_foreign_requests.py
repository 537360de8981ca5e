"""Pages of other sites, stolen cookies, and other teams: nothing of ours is done or shown for them."""

import re

import pytest

from helpers.run_folders import make_run
from helpers.web import HERE, Client, client_in
from helpers.web_content import write_book, write_log
from helpers.web_people import API, key_of, peopled, second_team, user

FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": HERE},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "http://127.0.0.1:8000.evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_site_writes_nothing_not_even_where_no_log_in_is_needed(tmp_path, headers):
    client = client_in(tmp_path)
    assert client.post(f"{API}/backtests", json={}, headers=headers).status_code == 403
    assert client.get(f"{API}/jobs").json()["total"] == 0
    entries = client.get(f"{API}/team/audit").json()["items"]
    assert [entry["status"] for entry in entries] == [403]


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": HERE}, {}]
)
def test_our_own_pages_and_programs_on_this_machine_do(tmp_path, headers):
    assert client_in(tmp_path).post(f"{API}/backtests", json={}, headers=headers).status_code == 202


@pytest.mark.parametrize("headers", [*FOREIGN, {}])
def test_a_stolen_cookie_alone_writes_nothing(tmp_path, headers):
    owner = peopled(tmp_path)
    thief = Client(owner.app, cookie=f"forewalk={owner.cookies['forewalk']}")
    assert thief.post(f"{API}/backtests", json={}, headers=headers).status_code == 403


def test_a_key_needs_no_such_word_since_no_browser_sends_it_of_itself(tmp_path):
    _, robot = key_of(peopled(tmp_path), "runs:write")
    assert robot.post(f"{API}/backtests", json={}).status_code == 202


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_other_site_is_let_read_an_answer(tmp_path, method):
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = client_in(tmp_path).ask(method, f"{API}/runs", headers=headers)
    assert [name for name in answer.headers if name.startswith("access-control")] == []
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Bearer fwk_wrong"}, {"authorization": "Basic YTpi"}, {"cookie": "forewalk=x"}],
)
def test_a_wrong_proof_is_not_taken_for_nobody_at_this_machine(tmp_path, headers):
    assert client_in(tmp_path).get(f"{API}/me", headers=headers).status_code == 401


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Two teams, the first of which has one of everything: what its things are called, and the other's owner."""
    folder = tmp_path_factory.mktemp("house")
    make_run(folder / "runs" / "ourrun", rows=30)
    (folder / "runs" / "ourrun" / "explanation.json").write_text("{}", encoding="utf-8")
    write_log(folder / "runs" / "forecasts.sqlite", symbols=("OURSYM",))
    file, order = write_book(folder)
    owner = peopled(folder, paper=file)
    person = user(owner, "ouruser", "viewer")
    key, _ = key_of(owner, "runs:read")
    job = owner.post(f"{API}/backtests", json={"settings": {"name": "ourjob"}}).json()
    file = {
        "file": ("ourfile.csv", "date,close\n" + "".join(f"2020-01-{day:02},{day}\n" for day in range(1, 31)))
    }
    assert owner.post(f"{API}/uploads", files=file).status_code == 201
    hook = owner.post(f"{API}/team/webhooks", json={"url": "https://ourhook.example"}).json()["webhook"]["id"]
    names = {
        "webhook": hook,
        "delivery": owner.post(f"{API}/team/webhooks/{hook}/ping").json()["id"],
        "name": "ourfile.csv",
        "job_id": job["id"],
        "run": "ourrun",
        "path": "manifest.json",
        "order_id": order,
        "user": person.get(f"{API}/me").json()["id"],
        "key": key["id"],
        "team": "local",
    }
    return owner, second_team(owner), names


BODIES = {
    "approve": {"nonce": "00000000"},
    "role": {"role": "owner"},
    "plan": {"symbols": 9},
    "sweeps": {"vary": []},
}


def operations(owner):
    for path, methods in owner.get("/openapi.json").json()["paths"].items():
        for method in methods:
            yield method.upper(), path


def test_another_team_finds_nothing_of_ours_on_any_route(house):
    owner, other, names = house
    asked = 0
    for method, path in operations(owner):
        if "{" not in path:
            continue
        filled = path.format(**names)
        body = BODIES.get(path.rpartition("/")[2])
        answer = other.ask(method, filled, json=body)
        asked += 1
        expected = 403 if path == f"{API}/teams/{{team}}/plan" else 404  # which no team but the host's may
        assert (method, path, answer.status_code) == (method, path, expected)
    assert asked > 12


def test_the_routes_asked_are_there_for_the_team_itself(house):
    owner, _, names = house
    for path in [path for method, path in operations(owner) if method == "GET" and "{" in path]:
        if path.endswith("/events"):
            continue  # it ends with the job
        status = owner.get(path.format(**names)).status_code
        assert (path, status) in [(path, 200), (f"{API}/jobs/{{job_id}}/result", 409)]


def test_no_list_shows_another_team_anything_of_ours(house):
    owner, other, names = house
    marks = re.compile(
        "|".join(["ourrun", "ourfile", "OURSYM", "order-1", "ouruser", "ourjob", "ourhook", names["job_id"]])
    )
    seen = []
    for path in [path for method, path in operations(owner) if method == "GET" and "{" not in path]:
        answer = other.get(path)
        assert answer.status_code in (200, 404, 422) or path == f"{API}/teams"
        if path == f"{API}/team/audit":  # what they have asked for themselves, in vain
            team = other.get(f"{API}/me").json()["team"]
            assert {entry["team"] for entry in answer.json()["items"]} <= {team}
        else:
            assert marks.search(answer.text) is None, path
        seen.append(bool(marks.search(owner.get(path).text)))
    assert sum(seen) >= 6  # the first team does see them


def test_the_second_team_has_its_own_place(house):
    _, other, _ = house
    job = other.post(f"{API}/backtests", json={}).json()
    assert [each["id"] for each in other.get(f"{API}/jobs").json()["items"]] == [job["id"]]
    assert other.get(f"{API}/live").status_code == 404
