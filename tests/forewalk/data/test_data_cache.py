"""The cache of downloads and the comparison of two of them."""

from __future__ import annotations

import pandas as pd
import pytest

from forewalk.data.sources.cache import CachedBars, cache_file, compare_vintages, read_cached, write_cached
from forewalk.errors import DataError

DATES = pd.date_range("2020-01-01", periods=4)
NOW = pd.Timestamp("2020-02-01", tz="UTC")


def frame(closes, volume=None) -> pd.DataFrame:
    index = DATES[: len(closes)]
    columns = dict.fromkeys(("open", "high", "low", "close"), closes)
    return pd.DataFrame({**columns, "volume": volume or [100.0] * len(closes)}, index=index, dtype="float64")


def cached(closes) -> CachedBars:
    return CachedBars(frame=frame(closes), fetched_at=NOW, start="2020-01-01", until=NOW)


def test_what_is_written_is_read_back(tmp_path):
    write_cached(tmp_path / "new", "^GSPC", "1d", cached([1, 2, 3]))
    read = read_cached(tmp_path / "new", "^GSPC", "1d")
    pd.testing.assert_frame_equal(read.frame, frame([1, 2, 3]), check_freq=False)
    assert (read.fetched_at, read.start, read.until) == (NOW, "2020-01-01", NOW)


def test_intervals_and_symbols_do_not_mix(tmp_path):
    write_cached(tmp_path, "AAA", "1d", cached([1]))
    assert read_cached(tmp_path, "AAA", "1h") is None
    assert read_cached(tmp_path, "BBB", "1d") is None


def test_writing_leaves_no_temporary_file(tmp_path):
    write_cached(tmp_path, "AAA", "1d", cached([1]))
    write_cached(tmp_path, "AAA", "1d", cached([2]))
    assert [path.name for path in tmp_path.iterdir()] == ["AAA_1d.parquet"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written.*data.cache"):
        write_cached(tmp_path / "file", "AAA", "1d", cached([1]))


def test_a_link_out_of_the_cache_folder_is_not_followed(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "AAA_1d.parquet").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="leads out of the cache folder"):
        cache_file(folder, "AAA", "1d")


def test_equal_downloads_have_nothing_to_report():
    compared = compare_vintages(frame([1, 2, 3]), frame([1, 2, 3, 4]))
    assert (compared.common, compared.restated, compared.partial_last_bar) == (3, 0, False)
    assert compared.findings("AAA") == []


def test_a_dividend_restates_every_bar_before_it():
    compared = compare_vintages(frame([100, 100, 100]), frame([99, 99, 100]))
    assert (compared.restated, compared.first, compared.last) == (2, DATES[0], DATES[1])
    assert compared.largest_change == pytest.approx(0.01)


def test_a_last_bar_that_changed_alone_was_unfinished():
    compared = compare_vintages(frame([1, 2, 3], [100, 100, 40]), frame([1, 2, 3.1, 4], [100] * 4))
    assert compared.partial_last_bar
    assert compared.restated == 0
    assert [finding.kind for finding in compared.findings("AAA")] == ["partial_last_bar"]


def test_a_dividend_and_an_unfinished_last_bar_are_told_apart():
    compared = compare_vintages(frame([100, 100, 100], [100, 100, 40]), frame([99, 99, 99, 99], [100] * 4))
    assert (compared.restated, compared.partial_last_bar) == (2, True)


def test_a_price_that_became_nothing_is_an_infinite_change():
    assert compare_vintages(frame([1, 2, 3]), frame([1, float("nan"), 3])).largest_change == float("inf")


def test_downloads_without_a_common_column_or_with_repeats_cannot_be_compared():
    with pytest.raises(DataError, match="share no column"):
        compare_vintages(frame([1])[["close"]], frame([1])[["open"]])
    with pytest.raises(DataError, match="repeated"):
        compare_vintages(pd.concat([frame([1]), frame([1])]), frame([1]))
