"""Files of a team's own: kept under their names, understood or refused in words, and no way to anything else."""

import pytest
from pydantic import BaseModel

from engine.web.jobs.commands import settings_of
from engine.web.places import Places
from forewalk.errors import ForewalkError, UsageError
from forewalk.settings.sections import Settings
from helpers.web import client_in
from helpers.web_people import API, peopled, second_team

PRICES = "date,open,high,low,close,volume\n" + "".join(
    f"2020-{month:02}-{day:02},10,11,9,{10 + day / 100},1000\n"
    for month in range(1, 13)
    for day in range(1, 28)
)


def upload(client, name, content=PRICES):
    return client.post(f"{API}/uploads", files={"file": (name, content)})


@pytest.fixture
def client(tmp_path):
    return client_in(tmp_path)


def test_a_file_is_kept_listed_and_removed(client):
    assert upload(client, "my prices.csv").json() == {"name": "my_prices.csv", "bytes": len(PRICES)}
    assert [each["name"] for each in client.get(f"{API}/uploads").json()] == ["my_prices.csv"]
    assert client.delete(f"{API}/uploads/my_prices.csv").status_code == 204
    assert client.get(f"{API}/uploads").json() == []


def test_it_is_said_what_a_file_is_understood_to_be_without_the_servers_folders(client):
    upload(client, "ACME.csv")
    answer = client.get(f"{API}/uploads/ACME.csv/check")
    assert answer.json()["symbols"].keys() == {"ACME"}
    assert str(client.app.state.state_folder) not in answer.text
    upload(client, "words.csv", "these are\nno prices\n")
    refused = client.get(f"{API}/uploads/words.csv/check").json()
    assert refused["error"]
    assert refused["remedy"]
    assert str(client.app.state.state_folder) not in str(refused)


def test_a_file_does_not_replace_another(client):
    upload(client, "a.csv", "first")
    assert upload(client, "a.csv", "second").status_code == 409
    (kept,) = client.app.state.places("local").uploads.iterdir()
    assert kept.read_text() == "first"


@pytest.mark.parametrize(
    "name", ["../a.csv", "/etc/passwd", ".hidden", "..", "a/b.csv", "a\\b.csv", "a\tb", "x" * 200, "ä.csv"]
)
def test_a_name_is_a_plain_name(client, name):
    assert upload(client, name).status_code == 422
    assert client.get(f"{API}/uploads").json() == []


def test_a_team_has_so_much_room(client, monkeypatch):
    monkeypatch.setattr("engine.web.api.uploads.MOST_BYTES", 1.5 * len(PRICES))
    assert [upload(client, name).status_code for name in ("a.csv", "b.csv")] == [201, 409]


def test_whoever_started_the_server_names_a_file_by_its_name_too(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    upload(client, "ACME.csv")
    asked = {"data.source": "files", "data.path": "ACME.csv"}
    places = client.app.state.places("local")
    assert settings_of(asked, places).data.path == places.uploads / "ACME.csv"
    (tmp_path / "ACME.csv").touch()
    with pytest.raises(UsageError, match="whole path"):
        settings_of(asked, places)


def test_members_of_another_team_backtest_their_file_and_no_other(tmp_path):
    owner = peopled(tmp_path)
    upload(owner, "ours.csv")
    other = second_team(owner)
    upload(other, "theirs.csv")

    def backtest(path):
        settings = {"data.source": "files", "data.path": path}
        return other.post(f"{API}/backtests", json={"settings": settings}).status_code

    assert [backtest(path) for path in ("theirs.csv", "ours.csv", "/etc/passwd")] == [202, 422, 422]


def members(folder):
    """The places of a team that did not start the server."""
    return Places(folder, folder / "runs", folder / "uploads", folder / "paper.toml", None, is_home=False)


def leaves(section, prefix=""):
    """Yield each setting's dotted name and what it may hold."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", kind


PATHS = [name for name, kind in leaves(Settings) if "Path" in str(kind)]


@pytest.mark.parametrize("key", [*PATHS, "evaluation.benchmark"])
@pytest.mark.parametrize("path", ["/etc/hosts.csv", "../../outside.parquet", "~/.ssh/keys.csv"])
def test_no_setting_of_a_member_names_a_file_of_the_server(tmp_path, key, path):
    places = members(tmp_path)
    value = [path] if key == "live.beside" else path
    with pytest.raises(ForewalkError):
        settings_of({key: value}, places)


def test_a_benchmark_of_a_member_is_an_upload_or_a_symbol(tmp_path):
    places = members(tmp_path)
    places.uploads.mkdir(parents=True)
    (places.uploads / "index.csv").write_text("Date,Close\n2020-01-02,1\n")
    assert settings_of({"evaluation.benchmark": "SPY"}, places).evaluation.benchmark == "SPY"
    kept = settings_of({"evaluation": {"benchmark": "index.csv"}}, places).evaluation.benchmark
    assert kept == str(places.uploads / "index.csv")
