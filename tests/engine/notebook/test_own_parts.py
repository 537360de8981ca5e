"""A study with a feature, a model and a strategy of one's own, by the front door alone and outside the repository."""

import os
import subprocess
import sys

import pytest

import forewalk as fw
from helpers.making import REPOSITORY
from helpers.notebooks import QUICK, quick_bars

PARTS = """
import backtrader as bt
import numpy as np

import forewalk as fw


def turnover(bars):
    return np.log1p(bars.volume) / 10


class Ridge(fw.ArrayForecaster):
    def fit(self, data):
        X, y = fw.learning_cells(data, data.train)
        penalty = self.settings.params.get("penalty", 1.0) * np.eye(X.shape[1])
        return {"weights": np.linalg.solve(X.T @ X + penalty, X.T @ y)}

    def predict(self, arrays, panel, first, stop):
        return panel.values[first:stop] @ arrays["weights"]


class Rises(bt.Strategy):
    params = (("table", None), ("share", 0.4))

    def __init__(self):
        self.forecast = {data: fw.ForecastIndicator(data, table=self.p.table) for data in self.datas}

    def next(self):
        for data in self.datas:
            self.order_target_percent(data, self.p.share if self.forecast[data].mean[0] > 0 else 0.0)
"""

STUDY = """
import sys
import pandas as pd
import forewalk as fw
import my_parts

frame = pd.read_csv("prices.csv", parse_dates=["date"])
settings = {
    "jobs": 2, "data.min_history_bars": 60, "folds": {"train_bars": 240, "refit_every_bars": 100},
    "evaluation": {"baselines": False, "garch": False, "costs": False, "bootstrap_repetitions": 100},
    "features.extra": [my_parts.turnover], "model.params": {"penalty": 2.0}, "strategy.params.share": 0.3,
}
result = fw.backtest(
    fw.Bars.from_frame(frame), settings, strategy=my_parts.Rises, forecaster=my_parts.Ridge
)
certificate = fw.audit(result)
result.save("study")
print(len(result.orders), certificate.clean, *sorted(result.own_code))
print(*sorted(name.partition(".")[0] for name in vars(sys.modules["__main__"]) if not name.startswith("_")))
"""


def python(folder, *arguments, **more):
    path = f"{REPOSITORY}{os.pathsep}{more.pop('path', '')}"
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip


def write_prices(folder):
    import pandas as pd

    bars = quick_bars()
    frame = pd.concat([bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols])
    frame.index = frame.index.tz_convert("America/New_York").date
    frame.rename_axis("date").to_csv(folder / "prices.csv")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_prices(folder)
    (folder / "my_parts.py").write_text(PARTS)
    done = python(folder, "-c", STUDY)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_feature_a_model_and_a_strategy_of_ones_own_run_and_pass_the_audit(study):
    _, said = study
    orders, clean, *own = said.splitlines()[0].split(" ", 2)
    assert int(orders) > 10
    assert clean == "True"
    names = (
        "features.extra = 'my_parts:turnover'",
        "model.kind = 'my_parts:Ridge'",
        "strategy.kind = 'my_parts:Rises'",
    )
    assert own == [" ".join(names)]


def test_the_study_imports_nothing_of_ours_but_the_front_door():
    ours = [line for line in (PARTS + STUDY).splitlines() if "import" in line]
    words = {word for line in ours for word in line.split()}
    assert words & {"engine", "models", "strategies", "broker", "from"} == set()


def test_its_folder_is_reproduced_from_anywhere(study, tmp_path):
    folder, _ = study
    done = python(tmp_path, "-m", "engine.reproduce", str(folder / "study"))
    assert "are equal, bit for bit" in done.stdout, done.stdout + done.stderr


def test_parts_by_name_and_by_object_are_the_same_try(study, monkeypatch):
    folder, _ = study
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    import my_parts

    by_name = {"features.extra": ["my_parts:turnover"], "strategy.kind": "my_parts:Rises"}
    by_object = {"features": {"extra": [my_parts.turnover]}, "strategy.kind": my_parts.Rises}
    assert fw.load_settings(by_object) == fw.load_settings(by_name)


PROMPT = """
import backtrader as bt
import forewalk as fw
class Mine(bt.Strategy): pass
try: fw.backtest(strategy=Mine)
except fw.ConfigError as problem: print(problem)
"""


def test_a_class_of_a_notebook_cell_is_refused_with_the_remedy(tmp_path):
    said = python(tmp_path, "-c", PROMPT).stdout
    assert "Mine is defined in the notebook or at the prompt itself" in said
    assert "%%writefile my_module.py" in said


SCRIPT = """
import backtrader as bt
import forewalk as fw
from helpers.notebooks import QUICK, quick_bars
class Mine(bt.Strategy):
    def next(self):
        if not self.position: self.buy(size=1)
{guard}
    print(len(fw.backtest(quick_bars(), QUICK, jobs=1, strategy=Mine).orders))
"""


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ('if __name__ == "__main__":', "1\n"),
        ("if True:", "put the call under `if __name__ == '__main__':`"),
    ],
)
def test_a_class_of_a_script_works_where_the_script_can_be_imported_without_running_again(
    guard, said, tmp_path
):
    (tmp_path / "study.py").write_text(SCRIPT.replace("{guard}", guard))
    done = python(tmp_path, "study.py", path=REPOSITORY / "tests")
    assert said in done.stdout + done.stderr


def test_an_exception_in_the_users_code_names_his_line(tmp_path, monkeypatch):
    (tmp_path / "broken_parts.py").write_text("def f(bars):\n    return bars.volume[0] / 0 + nothing\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fw.PluginError, match=r"broken_parts\.py line 2, in f: return bars\.volume"):
        fw.backtest(quick_bars(), {**QUICK, "features.extra": ["broken_parts:f"]})
