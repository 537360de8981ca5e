"""From metrics to JSON and back: the same values, and nothing read that is not understood."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.door import LEFT_OUT, Record, named, path_in_file, to_json
from engine.evaluation.subject import Metrics
from forewalk.errors import DataError
from helpers.judged_runs import make_judged


@dataclass(frozen=True)
class Inner(Record):
    bars: int
    size: float | None = field(metadata=named("n"))


@dataclass(frozen=True)
class Block(Record):
    must: float
    sharpe_annual: float | None = field(metadata=named("sharpe"))
    name: str
    inner: Inner | None
    rows: tuple[Inner, ...]
    by_name: Mapping[str, Inner]
    extra: Inner | None = field(default=None, metadata=LEFT_OUT)


numbers = st.none() | st.floats() | st.floats().map(np.float64)
inners = st.builds(Inner, st.integers(), numbers)
blocks = st.builds(
    Block,
    st.floats(allow_nan=False, allow_infinity=False),
    numbers,
    st.text(),
    st.none() | inners,
    st.lists(inners, max_size=3).map(tuple),
    st.dictionaries(st.text(), inners, max_size=3),
    st.none() | inners,
)


@given(blocks)
def test_what_goes_out_comes_back_the_same(block):
    stored = json.dumps(block.to_json(), allow_nan=False)
    assert Block.from_json(json.loads(stored)) == block


@given(st.floats())
def test_a_number_that_cannot_be_computed_is_none_in_memory_as_in_the_file(value):
    kept = Inner(1, np.float64(value)).size
    assert kept == value if math.isfinite(value) else kept is None
    assert kept is None or type(kept) is float


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_must_be_there_is_not_lost_in_silence(value):
    with pytest.raises(ValueError, match=r"Block\.must is"):
        Block(value, 1.0, "a", None, (), {})


def test_keys_stand_in_the_order_of_the_fields_under_the_files_own_names():
    block = Block(1.0, 2.0, "a", None, (), {})
    assert list(block.to_json()) == ["must", "sharpe", "name", "inner", "rows", "by_name"]
    assert list(Block(1.0, 2.0, "a", None, (), {}, Inner(1, None)).to_json())[-1] == "extra"


def test_a_file_of_before_a_metric_was_added_reads_as_not_computed():
    tree = Block(1.0, 2.0, "a", Inner(1, 2.0), (), {}).to_json()
    del tree["sharpe"], tree["inner"]["n"]
    block = Block.from_json(tree)
    assert (block.sharpe_annual, block.inner) == (None, Inner(1, None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"new": 1}, "'new' in their Block"),
        ({"must": None}, "None in Block.must"),
        ({"must": "much"}, "'much' in Block.must"),
        ({"inner": 3}, "3 where a Inner belongs"),
        ({"rows": {}}, "Block.rows"),
        ({"by_name": {"a": {"bars": "x", "n": 1}}}, "'x' in Inner.bars"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_with_what_and_where(change, message):
    tree = {**Block(1.0, 2.0, "a", None, (), {}).to_json(), **change}
    with pytest.raises(DataError, match=message):
        Block.from_json(tree)


def test_a_number_that_must_be_there_is_missed():
    tree = Block(1.0, 2.0, "a", None, (), {}).to_json()
    del tree["must"]
    with pytest.raises(DataError, match="lack 'must' in their Block"):
        Block.from_json(tree)


def test_the_way_to_a_field_is_told_in_the_files_words():
    assert path_in_file(Block, ("inner", "size")) == "inner.n"


def test_tables_of_numpy_values_become_plain():
    assert to_json({"a": np.float64("nan"), 1: [np.int64(3), (np.bool_(True),)]}) == {
        "a": None,
        "1": [3, [True]],
    }


def test_the_metrics_of_a_run_come_back_the_same():
    metrics = make_judged(bars=520).evidence.metrics
    assert Metrics.from_json(json.loads(json.dumps(metrics.to_json(), allow_nan=False))) == metrics
