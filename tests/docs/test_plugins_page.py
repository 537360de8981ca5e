"""Every block of docs/plugins.md runs as it stands, one after the other."""

import re

import numpy as np

from helpers.making import REPOSITORY, make_bars
from helpers.own_code import price_table

PAGE = (REPOSITORY / "docs" / "plugins.md").read_text(encoding="utf-8")
QUICK = "jobs = 1\n"


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = price_table(make_bars(240, 2))
    table.assign(score=np.random.default_rng(2).normal(size=len(table))).to_csv("prices.csv", index=False)
    names = {}
    for language, block in re.findall(r"^```(python|toml)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        named = re.match(r"# (\w+\.(?:py|toml))\n", block)
        if named:
            text = block.replace("\nname =", f"\n{QUICK}name =", 1) if language == "toml" else block
            (tmp_path / named.group(1)).write_text(text)
            continue
        exec(compile(block, "docs/plugins.md", "exec"), names)
    said = capsys.readouterr().out
    assert "No look-ahead found" in said
    assert "'Bars' object has no attribute 'volum'" in said
    assert "my_features.py line 7, in busy" in said
    assert "NOT COVERED" not in said
    assert names["result"].subject.panel.names[-3:] == ("score", "busy", "trend_20")
    assert "buying and holding S00 returned" in names["result"].verdict


def test_the_page_names_every_setting_for_code_of_ones_own():
    names = "extra columns kind params benchmark late_values columns_carry_bars columns_path plugins"
    assert not [name for name in names.split() if name not in PAGE]
