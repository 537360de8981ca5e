"""A host that nobody vouches for can be late, endless, packed or elsewhere; it costs a bounded time and an error."""

import gzip

import pytest

from forewalk.data.columns.texts.fetching.web import Web, checked_source, retry_after_s
from forewalk.errors import ConfigError, ConnectionFailed, DataError, RateLimited
from helpers.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def server():
    made = ScriptedServer()
    yield made
    made.close()


def packed(content):
    return Answer(gzip.compress(content), headers={"Content-Encoding": "gzip"})


def test_a_plain_and_a_packed_answer_are_read_and_who_asks_is_said(server):
    server.say(Answer(b"plain"), packed(b"packed" * 100))
    web = Web("Jane jane@example.org")
    assert web.get(server.url + "/a").content == b"plain"
    assert web.get(server.url + "/b").content == b"packed" * 100
    assert {request[2]["User-Agent"] for request in server.asked("GET")} == {"Jane jane@example.org"}


@pytest.mark.parametrize("answer", [packed(b"0" * 3_000_000), Answer(b"0" * 1_100_000)])
def test_an_answer_that_is_too_large_packed_or_not_is_refused(server, answer):
    server.say(answer)
    with pytest.raises(DataError, match="more than 1 MB"):
        Web(most_bytes=1_000_000).get(server.url)


def test_bytes_that_drip_end_with_the_deadline(server):
    server.say(Answer(b"x" * 10_000, drip=server.released))
    with pytest.raises(ConnectionFailed, match="no whole answer within"):
        Web(deadline_s=0.5).get(server.url)


@pytest.mark.parametrize(
    "answer",
    [
        "reset",
        Answer(b"half", declared_length=500),
        Answer(gzip.compress(b"cut" * 1000)[:-20], headers={"Content-Encoding": "gzip"}),
        Answer(b"", 500),
    ],
)
def test_an_answer_that_breaks_off_is_asked_for_again_later(server, answer):
    server.say(answer)
    with pytest.raises(ConnectionFailed):
        Web().get(server.url)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(b"", 404), DataError),
        (Answer(b"", 403), ConfigError),
        (Answer(b"not packed", headers={"Content-Encoding": "gzip"}), DataError),
        (Answer(b"?", headers={"Content-Encoding": "br"}), DataError),
    ],
)
def test_what_will_not_get_better_is_said(server, answer, error):
    server.say(answer)
    with pytest.raises(error):
        Web().get(server.url)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_host_says_how_long_to_wait(server, status):
    server.say(Answer(b"", status, {"Retry-After": "17"}))
    with pytest.raises(RateLimited) as busy:
        Web().get(server.url)
    assert busy.value.after_s == 17.0


def test_a_redirect_is_followed_at_home_but_not_in_circles(server):
    server.say(Answer(b"", 302, {"Location": "/new"}), Answer(b"there"))
    assert Web().get(server.url + "/old").content == b"there"
    server.say(*[Answer(b"", 302, {"Location": "/again"})] * 6)
    with pytest.raises(DataError, match="more than 5 redirects"):
        Web().get(server.url)


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:1/", "https://example.org/", "file:///etc/passwd", "", "//[::1]/", "http://[x"],
)
def test_a_redirect_elsewhere_is_not_followed(server, target):
    server.say(Answer(b"", 302, {"Location": target}))
    with pytest.raises(DataError, match="not followed"):
        Web().get(server.url + "/old")
    assert all(request[1] == "/old" for request in server.asked())


def test_a_login_follows_no_redirect(server):
    server.say(Answer(b"", 307, {"Location": "/other"}))
    with pytest.raises(DataError, match="not followed"):
        Web().ask("POST", server.url, form={"a": "b"}, auth=("id", "secret"))
    assert len(server.asked()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://user:word@example.org/",
        "localhost",
        "https://",
        "https://[x",
    ],
)
def test_only_https_without_a_login_is_asked(url):
    with pytest.raises(ConfigError, match="https"):
        checked_source(url)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("5", 5.0), ("", 0.0), ("soon", 0.0), ("999999", 3600.0), ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0)],
)
def test_retry_after_is_seconds_or_a_date(told, seconds):
    assert retry_after_s({"retry-after": told}, lambda: 10.0) == seconds
