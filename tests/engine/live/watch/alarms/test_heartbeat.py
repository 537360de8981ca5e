"""A sign of life is given when there is life, and none when there is not."""

import pytest

from engine.live.watch.alarms.heartbeat import AGAIN_S, LOOK_S, Heartbeat
from engine.live.watch.alarms.opening import beating
from forewalk.errors import ConfigError
from forewalk.settings.trading import LiveSettings
from helpers.scripted_server import Answer, ScriptedServer
from helpers.waiting import until

LIVE = LiveSettings(alerts={"heartbeat": "BEAT"})


@pytest.fixture
def server(socket_enabled, monkeypatch):
    server = ScriptedServer()
    monkeypatch.setenv("BEAT", f"{server.url}/alive")
    yield server
    server.close()


def test_a_sign_needs_a_look_that_has_succeeded_since_the_last_one(server):
    server.say(Answer({}), Answer({}))
    looks = [0]
    heart = Heartbeat(f"{server.url}/alive", 5.0, lambda: looks[0])
    waits = []
    for looks[0] in (0, 1, 1, 1, 2):
        waits.append(heart.beat())
    assert waits == [LOOK_S, 300.0, LOOK_S, LOOK_S, 300.0]
    assert len(server.asked("GET")) == 2


@pytest.mark.parametrize("failure", [Answer({}, 500), Answer(b"", 302), "reset"])
def test_a_sign_that_was_not_taken_is_given_again(server, failure):
    server.say(failure, Answer({}))
    heart = Heartbeat(f"{server.url}/alive", 5.0, lambda: 1)
    assert [heart.beat(), heart.beat(), heart.beat()] == [AGAIN_S, 300.0, LOOK_S]


def test_a_daemon_gives_its_first_sign_without_being_asked(server):
    server.say(Answer({}))
    with beating(LIVE, lambda: 1):
        until(lambda: server.asked("GET"))


def test_a_run_that_ends_gives_one_sign_where_it_ended_well(server):
    server.say(Answer({}))
    with pytest.raises(OSError, match="broker"), beating(LIVE, lambda: 1, once=True):
        raise OSError("the broker is away")
    assert server.asked("GET") == []
    with beating(LIVE, lambda: 1, once=True):
        assert server.asked("GET") == []
    assert len(server.asked("GET")) == 1


def test_an_address_that_is_not_set_is_said_by_its_name(monkeypatch):
    monkeypatch.delenv("BEAT", raising=False)
    with pytest.raises(ConfigError, match="BEAT"), beating(LIVE, lambda: 1):
        pass
