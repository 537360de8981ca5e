"""Every block of docs/python.md runs as it stands, one after the other."""

import re

import pandas as pd

from helpers.making import REPOSITORY
from helpers.notebooks import quick_bars

PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")


def write_prices(folder):
    bars = quick_bars()
    frame = pd.concat([bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols])
    frame.index = frame.index.tz_convert("America/New_York").date
    frame.rename_axis("date").to_csv(folder / "prices.csv")


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_prices(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        if block.startswith("# my_parts.py"):
            (tmp_path / "my_parts.py").write_text(block)
            continue
        exec(compile(block, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert "unknown setting 'model.hiden_size'; did you mean 'model.hidden_size'?" in said
    assert "Settings that differ: seed = 7 / 8." in said
