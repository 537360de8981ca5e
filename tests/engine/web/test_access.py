"""Who may do what: the first owner, log-in, roles, keys, the audit log."""

import pytest

from engine.web.access.secrets import KEY_PREFIX
from forewalk.errors import UsageError
from helpers.web import Client, client_in, options_in
from helpers.web_people import API, PASSWORD, key_of, logged_in, peopled, user

ROLES = ("viewer", "analyst", "trader", "owner")


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    return peopled(tmp_path_factory.mktemp("people"))


def test_a_person_alone_needs_no_log_in(tmp_path):
    found = client_in(tmp_path).get(f"{API}/me").json()
    assert (found["id"], found["role"], found["via"]) == ("local", "owner", "local")


@pytest.mark.parametrize(
    "more",
    [
        {"users": True},
        {"allowed_hosts": ("desk.example",)},
        {"proxy": "10.0.0.1"},
        {"host": "0.0.0.0"},
    ],
)
def test_where_others_may_come_nobody_is_known_before_the_first_owner(tmp_path, more):
    client = client_in(tmp_path, **more)
    answer = client.get(f"{API}/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert client.app.state.first_owner


def test_the_link_makes_one_owner_once(tmp_path):
    client = client_in(tmp_path, users=True)
    secret = client.app.state.first_owner
    body = {"name": "ada", "password": PASSWORD}
    assert client.post(f"{API}/setup", json={**body, "secret": "wrong"}).status_code == 403
    assert (
        client.post(f"{API}/setup", json={**body, "secret": secret, "password": "short"}).status_code == 422
    )
    assert client.post(f"{API}/setup", json={**body, "secret": secret}).status_code == 201
    assert client.post(f"{API}/setup", json={**body, "secret": secret, "name": "eve"}).status_code == 403
    again = client_in(tmp_path)  # started again, without --users
    assert again.get(f"{API}/me").status_code == 401
    assert again.app.state.first_owner is None


@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        ({"host": "0.0.0.0"}, "--users"),
        ({"host": "192.168.0.5", "proxy": "192.168.0.1"}, "--users"),
        ({"certificate": "cert.pem"}, "belong together"),
    ],
)
def test_other_machines_are_not_let_in_before_somebody_is_known(tmp_path, more, remedy):
    with pytest.raises(UsageError, match=remedy):
        options_in(tmp_path, **more).check(has_users=False)


def test_other_machines_are_not_let_in_without_encryption(tmp_path):
    with pytest.raises(UsageError, match="--tls-certificate"):
        options_in(tmp_path, host="0.0.0.0").check(has_users=True)
    options_in(tmp_path, host="0.0.0.0", certificate="c", certificate_key="k").check(has_users=True)
    options_in(tmp_path, host="0.0.0.0", proxy="10.0.0.1").check(has_users=True)
    options_in(tmp_path).check(has_users=False)


def test_the_cookie_is_not_for_scripts_nor_for_other_sites(owner):
    answer = Client(owner.app).post(f"{API}/session", json={"name": "ada", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("forewalk=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_with_tls_the_cookie_is_bound_to_the_host_and_to_tls(tmp_path):
    client = client_in(tmp_path, proxy="127.0.0.1")
    client.app.state.store.people.add_first("ada", PASSWORD)
    answer = client.post(f"{API}/session", json={"name": "ada", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-forewalk=")
    assert "secure" in cookie


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong password"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_are_answered_alike(owner, name, password):
    answer = Client(owner.app).post(f"{API}/session", json={"name": name, "password": password})
    assert (answer.status_code, answer.json()["detail"]) == (401, "name and password do not belong together")


def test_many_wrong_passwords_close_the_door_for_a_while_also_to_the_right_one(tmp_path):
    owner = peopled(tmp_path)
    client = Client(owner.app)
    wrong = [
        client.post(f"{API}/session", json={"name": "ada", "password": f"wrong {n}"}).status_code
        for n in range(5)
    ]
    assert wrong == [401] * 5
    right = client.post(f"{API}/session", json={"name": "ada", "password": PASSWORD})
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 60
    assert owner.get(f"{API}/me").status_code == 200  # who is in stays in


def test_who_logs_out_is_out_and_a_kept_cookie_is_worth_nothing(owner):
    browser = logged_in(owner.app, "ada")
    kept = dict(browser.cookies)
    assert browser.delete(f"{API}/session").status_code == 204
    stolen = Client(owner.app, cookie=f"forewalk={kept['forewalk']}")
    assert stolen.get(f"{API}/me").status_code == 401


def test_a_new_password_ends_every_session(owner):
    first, second = user(owner, "cal", "viewer"), logged_in(owner.app, "cal")
    body = {"old": PASSWORD, "new": "another long one"}
    assert first.ask("PUT", f"{API}/me/password", json={**body, "old": "x"}).status_code == 403
    assert first.ask("PUT", f"{API}/me/password", json=body).status_code == 204
    assert [browser.get(f"{API}/me").status_code for browser in (first, second)] == [401, 401]
    assert logged_in(owner.app, "cal", "another long one").get(f"{API}/me").status_code == 200


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_may_and_no_more(owner, role):
    person = user(owner, f"person-{role}", role)
    asked = {
        "viewer": person.get(f"{API}/runs"),
        "analyst": person.post(f"{API}/backtests", json={}),
        "trader": person.post(f"{API}/live/halt", json={}),
        "owner": person.get(f"{API}/team/users"),
    }
    may = {needed: answer.status_code != 403 for needed, answer in asked.items()}
    assert may == {needed: ROLES.index(role) >= ROLES.index(needed) for needed in ROLES}


def test_a_key_is_shown_once_and_may_do_what_it_was_made_for(owner):
    key, robot = key_of(owner, "runs:read")
    secret = robot.headers["authorization"].removeprefix("Bearer ")
    assert secret.startswith(KEY_PREFIX)
    assert secret.startswith(key["begins"])
    assert robot.get(f"{API}/runs").status_code == 200
    assert robot.post(f"{API}/backtests", json={}).status_code == 403
    assert robot.get(f"{API}/team/keys").status_code == 403
    listed = owner.get(f"{API}/team/keys")
    assert secret not in listed.text
    (entry,) = [each for each in listed.json() if each["id"] == key["id"]]
    assert entry["used"] is not None


def test_a_revoked_key_is_worth_nothing_at_once(owner):
    key, robot = key_of(owner, "runs:read")
    assert owner.delete(f"{API}/team/keys/{key['id']}").status_code == 204
    assert robot.get(f"{API}/runs").status_code == 401
    assert owner.delete(f"{API}/team/keys/{key['id']}").status_code == 404


def test_a_key_of_a_user_who_may_less_now_may_less_too(owner):
    deputy = user(owner, "deputy", "owner")
    _, robot = key_of(deputy, "runs:read", "runs:write")
    (there,) = [each for each in owner.get(f"{API}/team/users").json() if each["name"] == "deputy"]
    owner.ask("PUT", f"{API}/team/users/{there['id']}/role", json={"role": "viewer"})
    assert robot.post(f"{API}/backtests", json={}).status_code == 403
    assert owner.delete(f"{API}/team/users/{there['id']}").status_code == 204
    assert robot.get(f"{API}/runs").status_code == 401
    assert deputy.get(f"{API}/me").status_code == 401


def test_a_key_makes_no_key(owner):
    _, robot = key_of(owner, "team:write")
    assert robot.post(f"{API}/team/keys", json={"name": "x", "scopes": ["runs:read"]}).status_code == 403


def test_a_team_keeps_an_owner(tmp_path):
    owner = peopled(tmp_path)
    (ada,) = owner.get(f"{API}/team/users").json()
    answer = owner.ask("PUT", f"{API}/team/users/{ada['id']}/role", json={"role": "viewer"})
    assert (answer.status_code, "keeps an owner" in answer.json()["detail"]) == (409, True)
    assert owner.delete(f"{API}/team/users/{ada['id']}").status_code == 409


def test_every_write_is_in_the_audit_log_with_who_and_how_it_was_answered(tmp_path):
    owner = peopled(tmp_path)
    _, robot = key_of(owner, "runs:read")
    robot.post(f"{API}/backtests", json={})
    owner.post(f"{API}/backtests", json={})
    entries = owner.get(f"{API}/team/audit").json()["items"]
    told = [(each["via"], each["method"], each["path"], each["status"]) for each in entries]
    assert told == [
        ("session", "POST", f"{API}/backtests", 202),
        ("key", "POST", f"{API}/backtests", 403),
        ("session", "POST", f"{API}/team/keys", 201),
    ]
    assert {each["address"] for each in entries} == {"127.0.0.1"}


def test_no_secret_is_in_the_database_or_in_the_log(tmp_path, caplog):
    owner = peopled(tmp_path)
    _, robot = key_of(owner, "runs:read")
    robot.get(f"{API}/runs")
    secrets = [PASSWORD, owner.cookies["forewalk"], robot.headers["authorization"].removeprefix("Bearer ")]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "serve").glob("server.sqlite*"))
    assert len(kept) > 10_000
    assert [secret for secret in secrets if secret.encode() in kept or secret in caplog.text] == []
