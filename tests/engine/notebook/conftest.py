"""One small run for the tests of the front door."""

import os

import pytest

import forewalk as fw
from helpers.notebooks import QUICK, quick_bars


@pytest.fixture(scope="package")
def desk(tmp_path_factory):
    """The folder that the shared run was made in, as its current folder."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="package")
def result(desk):
    """A run on bars in memory; not saved."""
    before = os.getcwd()  # noqa: PTH109
    os.chdir(desk)
    try:
        return fw.backtest(quick_bars(), QUICK)
    finally:
        os.chdir(before)


@pytest.fixture(scope="package")
def saved(result, tmp_path_factory):
    """The folder of the same run."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    fw.Result.of(result.run).save(folder)
    return folder
