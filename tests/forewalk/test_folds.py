import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forewalk.errors import DataError, LeakError
from forewalk.folds import Fold, check_fold, check_purged, walk_forward_folds
from forewalk.settings.sections import FoldSettings


def times(rows):
    return pd.date_range("2010-01-01 21:00", periods=rows, freq="D", tz="UTC", unit="us")


def label_ends(rows, horizon):
    stamps = times(rows + horizon)
    return stamps[horizon:].where(np.arange(rows) + horizon < rows, pd.NaT)


layouts = st.fixed_dictionaries(
    {
        "rows": st.integers(120, 400),
        "horizon": st.integers(1, 12),
        "train_bars": st.integers(80, 200),
        "refit_every_bars": st.integers(1, 90),
        "embargo_bars": st.integers(0, 10),
        "validation_fraction": st.floats(0.05, 0.5),
        "scheme": st.sampled_from(["expanding", "rolling"]),
    }
)


def folds_of(layout):
    settings = {key: value for key, value in layout.items() if key not in ("rows", "horizon")}
    ends = label_ends(layout["rows"], layout["horizon"])
    return walk_forward_folds(times(layout["rows"]), ends, FoldSettings(**settings)), ends


@given(layouts)
def test_no_training_label_reaches_into_validation_or_test(layout):
    assume(layout["train_bars"] < layout["rows"])
    folds, ends = folds_of(layout)
    stamps = times(layout["rows"])
    for fold in folds:
        assert ends[fold.train].max() < stamps[fold.valid[0]]
        assert ends[fold.valid].max() < stamps[fold.test[0] - layout["embargo_bars"]]
        assert fold.trained_until < fold.valid_from == stamps[fold.test[0]]


@given(layouts)
def test_test_windows_cover_every_bar_after_the_first_training_once(layout):
    assume(layout["train_bars"] < layout["rows"])
    folds, _ = folds_of(layout)
    tested = np.concatenate([fold.test for fold in folds])
    np.testing.assert_array_equal(tested, np.arange(layout["train_bars"], layout["rows"]))


@given(layouts, st.integers(1, 60))
def test_cutting_the_data_changes_no_earlier_training_window(layout, cut):
    rows = layout["rows"] - cut
    assume(layout["train_bars"] < rows)
    whole, _ = folds_of(layout)
    part, _ = folds_of({**layout, "rows": rows})
    for early, full in zip(part, whole, strict=False):
        np.testing.assert_array_equal(early.train, full.train)
        np.testing.assert_array_equal(early.valid, full.valid)


@given(layouts)
def test_a_rolling_window_never_reaches_back_further_than_its_length(layout):
    assume(layout["train_bars"] < layout["rows"])
    folds, _ = folds_of({**layout, "scheme": "rolling"})
    assert all(fold.train[0] >= fold.test[0] - layout["train_bars"] for fold in folds)


def test_an_expanding_window_starts_at_the_beginning():
    folds, _ = folds_of(dict(rows=300, horizon=1, train_bars=100, refit_every_bars=50, embargo_bars=0,
                             validation_fraction=0.2, scheme="expanding"))  # fmt: skip
    assert [fold.train[0] for fold in folds] == [0, 0, 0, 0]
    assert [fold.model_id for fold in folds] == ["fold-00", "fold-01", "fold-02", "fold-03"]


def leaky(fold, **change):
    return Fold(**{**{f: getattr(fold, f) for f in fold.__dataclass_fields__}, **change})


@pytest.fixture
def one_fold():
    layout = dict(rows=200, horizon=5, train_bars=100, refit_every_bars=100, embargo_bars=3,
                  validation_fraction=0.2, scheme="expanding")  # fmt: skip
    folds, ends = folds_of(layout)
    return folds[0], times(200), ends


def test_the_check_passes_an_honest_fold_and_names_every_kind_of_leak(one_fold):
    fold, stamps, ends = one_fold
    check_fold(fold, stamps, ends, embargo_bars=3)
    leaks = {
        "training and validation overlap": {"train": np.arange(fold.valid[0])},
        "training and test overlap": {"valid": np.arange(fold.valid[0], 100)},
        "trained until": {"trained_until": fold.valid_from},
        "a label ends after": {"trained_until": stamps[50]},
    }
    for message, change in leaks.items():
        with pytest.raises(LeakError, match=message):
            check_fold(leaky(fold, **change), stamps, ends, embargo_bars=3)


def test_a_missing_embargo_is_a_leak(one_fold):
    fold, stamps, ends = one_fold
    with pytest.raises(LeakError, match="overlap"):
        check_fold(fold, stamps, ends, embargo_bars=4)


def test_purging_by_count_alone_is_not_enough_when_labels_differ_in_length():
    stamps = times(60)
    ends = stamps[np.minimum(np.arange(60) + np.where(np.arange(60) == 10, 40, 1), 59)]
    with pytest.raises(LeakError, match="label of row 10"):
        check_purged(np.arange(30), np.arange(35, 60), stamps, ends)


def test_too_short_a_history_says_what_to_do():
    with pytest.raises(DataError, match=r"folds\.train_bars"):
        walk_forward_folds(times(90), label_ends(90, 1), FoldSettings(train_bars=100))
