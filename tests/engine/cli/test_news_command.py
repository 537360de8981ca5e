"""`forewalk news`: texts from a host into a file, and what the file is understood to be."""

import json

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from forewalk.errors import EXIT_CONNECTION, ConfigError, DataError
from helpers.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.enable_socket
FEED = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>Wire</title>
<item><guid>1</guid><title>$AAPL beats</title><pubDate>Mon, 02 Mar 2026 16:30:00 ABC</pubDate></item>
<item><guid>2</guid><title>Nothing about anyone</title></item></channel></rss>"""


@pytest.fixture
def server():
    made = ScriptedServer()
    yield made
    made.close()


def fetched(path, server, *more):
    feeds = f"news.feeds=['{server.url}/feed']"
    return CliRunner().invoke(
        app, ["news", "fetch", str(path), "--symbols", "aapl,msft", "--from", "rss", "--set", feeds, *more]
    )


def test_a_feed_is_fetched_and_its_file_is_understood(tmp_path, server):
    path = tmp_path / "texts.jsonl"
    server.say(Answer(FEED), Answer(FEED))
    first, second = fetched(path, server), fetched(path, server)
    assert "rss: 2 texts added" in first.output
    assert "rss: 0 texts added" in second.output
    found = json.loads(CliRunner().invoke(app, ["news", "check", str(path), "--json"]).output)
    assert (found["texts"], found["symbols"], found["without_symbol"]) == (2, {"AAPL": 1}, 1)
    assert (found["backfilled"], found["undated"], found["amended"]) == (0, 0, 0)


def test_one_source_takes_no_other_along_and_the_exit_says_what_failed(tmp_path, server):
    server.say(Answer(b"", 500))
    result = fetched(tmp_path / "texts.jsonl", server, "--from", "rss,sec")
    assert result.exit_code == EXIT_CONNECTION
    assert "HTTP 500" in result.output
    assert "news.contact" in result.output


def test_an_unknown_source_and_a_file_of_something_else_are_refused(tmp_path, server):
    assert isinstance(fetched(tmp_path / "texts.jsonl", server, "--from", "x").exception, ConfigError)
    notes = tmp_path / "notes.txt"
    notes.write_text("my notes")
    assert isinstance(fetched(notes, server).exception, DataError)
    assert notes.read_text() == "my notes"
