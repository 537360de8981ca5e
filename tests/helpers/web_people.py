"""People of a server: the first owner, users who have logged in, and programs with a key."""

from helpers.web import HERE, Client, client_in

API = "/api/v1"
PASSWORD = "correct horse battery"
OURS = {"sec-fetch-site": "same-origin", "origin": HERE}  # as a browser says it on our own pages


def peopled(folder, **more):
    """Return a server with its first owner, who has logged in."""
    nobody = client_in(folder, users=True, **more)
    secret = nobody.app.state.first_owner
    made = nobody.post(f"{API}/setup", json={"secret": secret, "name": "ada", "password": PASSWORD})
    assert made.status_code == 201, made.text
    return logged_in(nobody.app, "ada")


def logged_in(app, name, password=PASSWORD):
    client = Client(app, **OURS)
    answer = client.post(f"{API}/session", json={"name": name, "password": password})
    assert answer.status_code == 204, answer.text
    return client


def user(owner, name, role):
    """Make a user of the owner's team, and return the user's browser."""
    made = owner.post(f"{API}/team/users", json={"name": name, "password": PASSWORD, "role": role})
    assert made.status_code == 201, made.text
    return logged_in(owner.app, name)


def second_team(owner):
    """Make another team, and return its owner's browser."""
    made = owner.post(f"{API}/teams", json={"name": "others", "owner": "bob", "password": PASSWORD})
    assert made.status_code == 201, made.text
    return logged_in(owner.app, "bob")


def key_of(person, *scopes):
    """Make a key, and return it as it is listed, and a program that sends it."""
    shown = person.post(f"{API}/team/keys", json={"name": "robot", "scopes": list(scopes)}).json()
    return shown["key"], Client(person.app, authorization=f"Bearer {shown['secret']}")
