"""Two engines, one account: where they part the run ends with the bar, and either may simulate what stands beside."""

import os
import subprocess
import sys
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine.simulation.compiled.account
from engine.simulation.cerebro import simulate
from engine.simulation.compiled.account import simulate_compiled
from engine.simulation.engines import (
    check_equal,
    compiling,
    is_compiled,
    simulate_again,
    simulate_beside,
    simulate_each,
    simulate_reported,
)
from forewalk.errors import EXIT_FAILURE, EnginesDiffer
from forewalk.settings.loading import settings_from
from helpers.vector_worlds import all_settings, make_world, worlds

CEREBRO = settings_from({"execution": {"engine": "cerebro"}})
TIMES = {"equity": "time", "orders": "decided_at", "decisions": "asof"}


@pytest.fixture(scope="module")
def world():
    return make_world(3, bars=60, symbols=5)


@pytest.fixture(scope="module")
def account(world):
    return simulate(*world, settings_from({}))


def printed(command, **environment):
    """What a Python of its own prints."""
    run = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def with_one_bit_more(account, name, column, row):
    table = getattr(account, name).copy()
    numbers = table[column].to_numpy(dtype=np.float64, copy=True)
    numbers[row] = np.nextafter(numbers[row], np.inf)
    return replace(account, **{name: table.assign(**{column: numbers})})


@given(data=st.data())
def test_one_bit_anywhere_is_an_error_that_names_the_bar(account, data):
    name = data.draw(st.sampled_from(sorted(TIMES)))
    table = getattr(account, name)
    row = data.draw(st.integers(0, len(table) - 1))
    numbers = [column for column in table.select_dtypes("float") if np.isfinite(table[column].iloc[row])]
    column = data.draw(st.sampled_from(numbers))
    with pytest.raises(EnginesDiffer, match=str(table[TIMES[name]].iloc[row])[:19]) as raised:
        check_equal(account, with_one_bit_more(account, name, column, row))
    assert f"{column} of {name}" in str(raised.value)
    assert "--set execution.engine=cerebro" in str(raised.value)


def test_of_several_differences_the_earliest_is_named(account):
    late = with_one_bit_more(account, "equity", "equity", 40)
    both = with_one_bit_more(late, "orders", "quantity", 0)
    with pytest.raises(EnginesDiffer, match="quantity of orders"):
        check_equal(account, both)


@pytest.mark.parametrize("name", TIMES)
def test_a_row_that_one_engine_lacks_is_a_difference(account, name):
    shorter = replace(account, **{name: getattr(account, name).iloc[:-1]})
    for pair in ((account, shorter), (shorter, account)):
        with pytest.raises(EnginesDiffer, match=rf"{name} has (\d+) rows in Cerebro, (?!\1)\d+ compiled"):
            check_equal(*pair)


def test_a_run_whose_engines_part_ends_with_the_bar(world, monkeypatch):
    def wrong(bars, forecasts, settings):
        return with_one_bit_more(simulate_compiled(bars, forecasts, settings), "equity", "cash", 17)

    monkeypatch.setattr(engine.simulation.compiled.account, "simulate_compiled", wrong)
    with pytest.raises(EnginesDiffer, match=f"{world[1].timestamps[17]:%Y-%m-%d}") as raised:
        simulate_reported(*world, settings_from({}))
    assert raised.value.exit_code == EXIT_FAILURE
    simulate_reported(*world, CEREBRO)  # nothing compiled, nothing to prove


@hypothesis.settings(max_examples=25)
@given(world=worlds, settings=all_settings)
def test_either_engine_gives_the_same_accounts_beside(world, settings):
    cerebro = settings.model_copy(
        update={"execution": settings.execution.model_copy(update={"engine": "cerebro"})}
    )
    assert is_compiled(world[0], settings)
    assert not is_compiled(world[0], cerebro)
    one, other = (simulate_beside(*world, each) for each in (settings, cerebro))
    assert one.equity["equity"].tolist() == other.equity["equity"].tolist()
    assert one.orders.astype(object).where(one.orders.notna(), None).to_dict("list") == other.orders.astype(
        object
    ).where(other.orders.notna(), None).to_dict("list")
    check_equal(simulate_again(*world, cerebro), simulate_again(*world, settings))


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("which", ["compiled", "cerebro"])
def test_many_accounts_are_their_settings_one_by_one(world, jobs, which):
    grid = [
        settings_from({"jobs": jobs, "execution": {"fee_bps": fee, "engine": which}}) for fee in (0, 5, 50)
    ]
    together = simulate_each(*world, grid)
    for one, settings in zip(together, grid, strict=True):
        assert one.equity["equity"].tolist() == simulate(*world, settings).equity["equity"].tolist()
    assert len({one.equity["equity"].iloc[-1] for one in together}) == len(grid)


def test_no_accounts_are_no_work(world):
    assert simulate_each(*world, []) == []


def test_a_strategy_of_ones_own_runs_in_cerebro(world):
    assert not is_compiled(world[0], settings_from({"strategy": {"kind": "my_module:MyStrategy"}}))


def test_with_cerebro_alone_numba_is_not_even_imported():
    code = (
        "import sys\nfrom helpers.vector_worlds import make_world\n"
        "from engine.simulation.engines import compiling, simulate_each, simulate_reported\n"
        "from forewalk.settings.loading import settings_from\n"
        "world, settings = make_world(3), settings_from({'execution': {'engine': 'cerebro'}})\n"
        "with compiling(world[0], settings): simulate_reported(*world, settings)\n"
        "simulate_each(*world, [settings])\nprint('numba' in sys.modules)"
    )
    assert printed(["-c", code], PYTHONPATH=os.pathsep.join(sys.path)) == "False\n"


def test_what_fails_while_compiling_is_raised_where_the_code_is_needed(world, monkeypatch):
    def failing():
        raise OSError("no space left on device")

    monkeypatch.setattr("engine.simulation.compiled.run.warm_up", failing)
    done = []
    with pytest.raises(OSError, match="no space"), compiling(world[0], settings_from({})):
        done.append("training")
    assert done == ["training"]


def test_an_error_while_training_does_not_wait_for_the_compiler(world):
    with pytest.raises(KeyboardInterrupt), compiling(world[0], settings_from({})):
        raise KeyboardInterrupt


KEPT = """
from engine.simulation.compiled.types import compiled_and_kept
@compiled_and_kept
def plus_one(x):
    return x + 1
print(plus_one(2))
"""


def test_where_no_folder_can_keep_machine_code_it_is_compiled_for_this_process(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    (tmp_path / "__pycache__").touch()  # a file: no folder of that name can be made
    nowhere = str(tmp_path / "kept.py" / "cache")
    places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), nowhere)
    assert printed([str(tmp_path / "kept.py")], **places) == "3\n"
