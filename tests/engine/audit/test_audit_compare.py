import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.audit.compare import (
    NEVER,
    ROUNDING,
    Block,
    compare,
    pack_blocks,
    unpack_blocks,
)
from engine.audit.job import real_run
from engine.audit.known import prepared_blocks, result_blocks
from helpers.audit_tables import pipeline_on, small_settings, small_table


def block(values, stage="features", known_at=None, **more):
    values = np.array(values)
    times = np.arange(len(values)) if known_at is None else np.array(known_at)
    return Block(stage, "x", tuple("ab"[: values.shape[1]]), times, values, **more)


NUMBERS = np.random.default_rng(0).normal(size=(30, 2))


@hypothesis_settings(max_examples=60)
@given(
    st.integers(0, 29), st.integers(0, 1), st.integers(0, 29), st.sampled_from([1.0, 1e-300, np.nan, -0.0])
)
def test_a_changed_value_is_found_exactly_if_it_was_known_at_the_cut(row, column, cut, change):
    other = NUMBERS.copy()
    other[row, column] = -other[row, column] if change == 0 else np.nextafter(other[row, column], change)
    found = compare([block(NUMBERS)], [block(other)], cut, truncated=False)
    assert found.values == {"features": 2 * (cut + 1)}
    assert bool(found.offenders) == (row <= cut)
    if found.offenders:
        assert found.offenders[0].what == f"x {'ab'[column]}"
        assert found.offenders[0].expected == repr(float(NUMBERS[row, column]))
        assert found.offenders[0].found == repr(float(other[row, column]))


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (np.nan, np.nan, True),
        (0.0, -0.0, False),
        (1.0, np.nan, False),
        (1.0, 1.0 + 2**-52, False),
        (np.inf, np.inf, True),
    ],
)
def test_values_are_compared_bit_by_bit(expected, got, same):
    found = compare([block([[expected]])], [block([[got]])], 0, truncated=False)
    assert (not found.offenders) is same


@pytest.mark.parametrize(
    ("truncated", "rounded", "same"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_only_forecasts_of_truncated_data_may_be_rounded(truncated, rounded, same):
    one, two = block([[1.0]], rounded=rounded), block([[1.0 + ROUNDING / 2]], rounded=rounded)
    found = compare([one], [two], 0, truncated)
    assert (not found.offenders) is same
    assert (found.rounding > 0) is same


def test_the_first_stage_and_its_earliest_bar_are_named():
    reference = [block(NUMBERS, "forecasts"), block(NUMBERS, "features", known_at=np.arange(30)[::-1])]
    other = NUMBERS.copy()
    other[[3, 20], 1] += 1.0
    doctored = [block(other, "forecasts"), block(other, "features", known_at=np.arange(30)[::-1])]
    found = compare(reference, doctored, 29, truncated=False)
    assert [offender.stage for offender in found.offenders] == ["features", "forecasts"]
    assert found.offenders[0].expected == repr(float(NUMBERS[20, 1]))  # known at 9, the other at 26
    assert found.offenders[0].size == pytest.approx(1.0)


@pytest.mark.parametrize("keep", [slice(0, 10), slice(1, None)])
def test_a_row_that_is_missing_or_has_another_time_is_an_offence(keep):
    found = compare(
        [block(NUMBERS)], [block(NUMBERS[keep], known_at=np.arange(30)[keep])], 15, truncated=False
    )
    assert "rows" in found.offenders[0].expected


def test_what_is_decided_by_no_bar_is_never_compared():
    times = np.append(np.arange(29), NEVER)
    other = NUMBERS.copy()
    other[29] = 0.0
    found = compare([block(NUMBERS, known_at=times)], [block(other, known_at=times)], 100, truncated=False)
    assert not found.offenders


def test_a_feature_that_disappears_is_an_offence():
    other = Block("features", "y", ("a",), np.arange(30), NUMBERS[:, :1])
    assert compare([block(NUMBERS)], [other], 5, truncated=False).offenders[0].found == "missing"


def test_a_stage_that_was_not_reached_is_not_compared():
    found = compare([block(NUMBERS), block(NUMBERS, "equity")], [block(NUMBERS)], 5, truncated=True)
    assert list(found.values) == ["features"]


def test_blocks_survive_the_way_to_a_worker():
    real = real_run(small_settings(), pipeline_on(small_table()))
    results = result_blocks(real.prepared.bars, real.forecasts, real.simulation)
    blocks = [*prepared_blocks(real.prepared), *results]
    headers, arrays = pack_blocks(blocks)
    again = unpack_blocks(headers, arrays)
    found = compare(blocks, again, NEVER - 1, truncated=False)
    assert not found.offenders
    assert sum(found.values.values()) > 5_000


def test_folds_whose_test_bars_cleaning_refuses_are_no_offence():
    real = block(np.ones((4, 1)), "training", needs_later_bars=True)
    fewer = block(np.ones((3, 1)), "training", needs_later_bars=True)
    cut = int(real.known_at[-1])
    assert compare([real], [fewer], cut, truncated=False).offenders
    assert not compare([real], [fewer], cut, truncated=False, later_bars=False).offenders
