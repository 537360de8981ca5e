"""On a terminal every command that needs time says its first word before it imports anything heavy."""

import json
import subprocess
import sys

import pytest

from engine.cli.app import main
from helpers.making import REPOSITORY

HEAVY = ("torch", "backtrader", "pandas", "numpy", "scipy", "matplotlib", "pyarrow", "numba")
LISTENER = """
import json, os, sys

class Terminal:
    encoding = "utf-8"
    def isatty(self): return True
    def fileno(self): return 2
    def flush(self): pass
    def write(self, text):
        if any(letter.isalpha() for letter in text.replace("\\x1b[?25l", "")):
            os.write(1, json.dumps([text, [name for name in {heavy!r} if name in sys.modules]]).encode())
            os._exit(0)
        return len(text)

os.environ.update(TERM="xterm", NO_COLOR="1")
sys.stderr = Terminal()
from engine.cli.app import main
main({arguments!r})
"""
COMMANDS = (
    "backtest", "audit", "reproduce RUN", "sweep RUN", "explain RUN", "tune", "forecast", "track", "trials", "runs",
    "compare RUN RUN", "data check FILE", "data convert FILE FILE", "doctor", "serve", "news check FILE",
    "news fetch FILE --symbols A", "news behind RUN A", "models", "models promote ID", "models retire ID",
    "models expire --yes", "live", "live --simulator", "live --once", "live status", "live orders", "live halt",
    "live resume", "live flatten", "live approve ID", "live reject ID", "live parity RUN", "live summary",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_the_first_word_comes_before_the_heavy_imports(command, tmp_path):
    places = {"RUN": str(tmp_path / "run"), "FILE": str(tmp_path / "prices.csv")}
    arguments = [places.get(word, word) for word in command.split()]
    code = LISTENER.format(heavy=HEAVY, arguments=arguments)
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    word, imported = json.loads(told.stdout)
    assert word.strip()
    assert imported == []


@pytest.mark.parametrize("command", ["live status", "models promote", "news check"])
def test_help_is_not_preceded_by_a_word_about_work(command, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.argv", ["forewalk", *command.split(), "--help"])
    with pytest.raises(SystemExit):
        main()
    assert not capsys.readouterr().err
