"""GDELT's files, one after the other, and Reddit's posts, page by page: each once, resumed where it stopped."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from forewalk.data.columns.texts.fetching.gdelt import BASE, fetch_gdelt, unzipped
from forewalk.data.columns.texts.fetching.reddit import TOKEN, fetch_reddit
from forewalk.data.columns.texts.fetching.store import TextStore
from forewalk.data.columns.texts.reading import read_texts
from forewalk.errors import ConfigError, ConnectionFailed, DataError
from forewalk.settings.news import NewsSettings
from helpers.text_pages import NOW, Pages, wanted

BEGIN = NOW - timedelta(hours=1)
NAMES = {"AAPL": "Apple"}
KEYS = {"REDDIT_CLIENT_ID": "id", "REDDIT_CLIENT_SECRET": "secret"}


def gkg(*titles, at=NOW):
    lines = [
        "\t".join(
            [
                f"{at:%Y%m%d%H%M%S}-{n}",
                f"{at:%Y%m%d%H%M%S}",
                "1",
                "wire.example",
                f"https://wire.example/{title}",
            ]
            + [""] * 21
            + [f"<PAGE_LINKS></PAGE_LINKS><PAGE_TITLE>{title}</PAGE_TITLE>"]
        )
        for n, title in enumerate(titles)
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("gkg.csv", "\n".join([*lines, "a damaged line"]))
    return packed.getvalue()


def address(at):
    return f"{BASE}{at:%Y%m%d%H%M%S}.gkg.csv.zip"


def known(store):
    texts, _ = read_texts(NewsSettings(path=store.path))
    return dict(zip(texts.headline, texts.known_at.tolist(), strict=True))


def test_files_are_read_one_after_the_other_a_lost_one_is_passed_over(tmp_path):
    web = Pages(
        pages={address(BEGIN): gkg("Apple rises &amp; shines", "Nothing"), address(NOW): gkg("apple falls")}
    )
    store = TextStore(tmp_path / "texts.jsonl")
    assert fetch_gdelt(store, wanted(web, first=BEGIN, names=NAMES)) == 2
    assert web.addresses == [address(BEGIN + step * timedelta(minutes=15)) for step in range(5)]
    lag = timedelta(minutes=15)
    assert known(store) == {
        "Apple rises & shines": int((BEGIN + lag).timestamp() * 1e6),
        "apple falls": int((NOW + lag).timestamp() * 1e6),
    }


def test_a_fetch_that_broke_off_goes_on_there(tmp_path):
    middle = BEGIN + timedelta(minutes=30)
    web = Pages(pages={address(BEGIN): gkg("Apple one"), address(middle): ConnectionFailed("gone")})
    store = TextStore(tmp_path / "texts.jsonl")
    with pytest.raises(ConnectionFailed):
        fetch_gdelt(store, wanted(web, first=BEGIN, names=NAMES))
    web.asked.clear()
    web.pages[address(middle)] = gkg("Apple two")
    again = TextStore(store.path)
    assert fetch_gdelt(again, wanted(web, first=BEGIN - timedelta(hours=5), names=NAMES)) == 1
    assert web.addresses[0] == address(BEGIN)
    assert not any("first_seen" in line for line in store.path.read_text().splitlines())


def test_a_zip_bomb_and_a_damaged_zip_are_refused():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"0" * 5_000_000)
    with pytest.raises(DataError, match="more than 1 MB"):
        unzipped(packed.getvalue(), 1_000_000, "somewhere")
    for content in (b"", b"PK\x03\x04 broken", packed.getvalue()[:500]):
        with pytest.raises(DataError, match="no zip"):
            unzipped(content, 1_000_000, "somewhere")


def test_gdelt_needs_names():
    with pytest.raises(ConfigError, match=r"news\.names"):
        fetch_gdelt(None, wanted(Pages()))


def listing(names, after=None, **more):
    children = [
        {
            "data": {
                "name": name,
                "title": f"$AAPL to the moon {name}",
                "created_utc": NOW.timestamp() - 60,
                **more,
            }
        }
        for name in names
    ]
    return json.dumps({"data": {"children": children, "after": after}}).encode()


def forum(page="", after=None):
    return f"https://oauth.reddit.com/r/stocks/new?limit=100&raw_json=1{page}"


def reddit_pages(**pages):
    return Pages(pages={TOKEN: json.dumps({"access_token": "abcdefgh1234"}).encode(), **pages})


def test_posts_come_page_by_page_until_what_is_known_and_are_social_texts(tmp_path):
    web = reddit_pages(
        **{forum(): listing(["t3_9", "t3_8"], "t3_8"), forum("&after=t3_8"): listing(["t3_7"], None)}
    )
    store = TextStore(tmp_path / "texts.jsonl")
    assert fetch_reddit(store, wanted(web, subreddits=("stocks",)), KEYS) == 3
    later = NOW + timedelta(minutes=5)
    web.pages[forum()] = listing(["t3_11", "t3_9"], "t3_9")
    web.asked.clear()
    assert fetch_reddit(TextStore(store.path), wanted(web, subreddits=("stocks",), now=later), KEYS) == 1
    assert web.addresses == [TOKEN, forum()]
    texts, _ = read_texts(NewsSettings(path=store.path))
    assert set(texts.kind) == {"social"}
    assert not texts.backfilled.any()


def test_pages_that_lead_in_a_circle_end(tmp_path):
    web = reddit_pages(
        **{forum(): listing(["t3_9"], "t3_9"), forum("&after=t3_9"): listing(["t3_8"], "t3_9")}
    )
    assert fetch_reddit(TextStore(tmp_path / "x.jsonl"), wanted(web, subreddits=("stocks",)), KEYS) == 2
    assert len(web.asked) == 3


def test_the_secret_goes_to_the_token_address_alone(tmp_path):
    web = reddit_pages(**{forum(): listing(["t3_9"])})
    fetch_reddit(TextStore(tmp_path / "x.jsonl"), wanted(web, subreddits=("stocks",)), KEYS)
    assert [headers for _, url, headers in web.asked if url != TOKEN] == [
        {"Authorization": "Bearer abcdefgh1234"}
    ]
    assert "secret" not in (tmp_path / "x.jsonl").read_text() + (tmp_path / "x.jsonl.fetched").read_text()


@pytest.mark.parametrize(
    ("settings", "keys", "words"),
    [
        ({}, KEYS, "subreddits"),
        ({"subreddits": ("stocks",)}, {}, "REDDIT_CLIENT_ID"),
        ({"subreddits": ("../me",)}, KEYS, "no name of a forum"),
    ],
)
def test_what_reddit_needs_is_said(tmp_path, settings, keys, words):
    with pytest.raises(ConfigError, match=words):
        fetch_reddit(TextStore(tmp_path / "x.jsonl"), wanted(reddit_pages(), **settings), keys)


@pytest.mark.parametrize("created", [None, "soon", 1e300, datetime(2030, 1, 1, tzinfo=UTC).timestamp()])
def test_a_clock_that_is_wrong_leaves_the_moment_of_the_fetch(tmp_path, created):
    web = reddit_pages(**{forum(): listing(["t3_9"], created_utc=created)})
    store = TextStore(tmp_path / "texts.jsonl")
    asked = wanted(web, subreddits=("stocks",), last=datetime(2031, 1, 1, tzinfo=UTC))
    assert fetch_reddit(store, asked, KEYS) == 1
    assert set(known(store).values()) == {int(NOW.timestamp() * 1e6)}
