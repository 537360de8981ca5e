"""`import forewalk as fw`: which names there are, and that they cost nothing until they are used."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import forewalk as fw

NAMES = """
    ArrayForecaster Bars ConfigError ConnectionFailed DataError ForecastIndicator ForewalkError LeakError
    LookaheadError
    PackageShadowed PluginError Result Settings Simulator UsageError audit backtest compare learning_cells
    load_bars load_settings open_run orders_now paper_account reproduce sweep
"""
HEAVY = {"torch", "pandas", "numpy", "backtrader", "pydantic", "matplotlib", "scipy", "sklearn", "quantstats"}


def test_the_names_are_these_and_all_of_them_lead_somewhere():
    assert sorted(fw.__all__) == NAMES.split()
    assert [name for name in fw.__all__ if getattr(fw, name).__name__ != name] == []
    assert set(fw.__all__) <= set(dir(fw))
    assert [name for name in fw.__all__ if not getattr(fw, name).__doc__] == []


def test_importing_it_loads_nothing_heavy_and_a_name_loads_what_it_needs():
    script = "import sys, forewalk as fw; print(*sys.modules); fw.UsageError, fw.load_settings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    at_first, later = (set(line.split()) for line in done.stdout.splitlines())
    assert at_first & HEAVY == set()
    assert later & HEAVY == {"pydantic"}


def test_type_checkers_are_told_the_same_names_from_the_same_modules():
    tree = ast.parse(Path(fw.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [entry for entry in block.body if isinstance(entry, ast.ImportFrom)]
    told = {alias.name: entry.module for entry in imports for alias in entry.names}
    assert sorted(told) == NAMES.split()
    assert [
        name for name, home in told.items() if getattr(fw, name) is not getattr(import_module(home), name)
    ] == []
    assert (Path(fw.__file__).parent / "py.typed").exists()


def test_a_name_that_is_not_there_is_answered_with_the_nearest_one():
    with pytest.raises(AttributeError, match=r"did you mean fw\.backtest\?"):
        fw.backtst  # noqa: B018
    with pytest.raises(AttributeError, match="there are: ArrayForecaster, Bars"):
        fw.zzz  # noqa: B018
    assert fw.__version__
