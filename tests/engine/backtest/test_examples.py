import subprocess
import sys

from helpers.making import REPOSITORY
from helpers.waiting import PATIENCE_S


def test_an_own_strategy_on_the_forecasts_takes_thirty_lines(tmp_path):
    path = REPOSITORY / "examples" / "own_strategy.py"
    done = subprocess.run(
        [sys.executable, path], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert "orders; fw.audit(result)" in done.stdout
    assert len(path.read_text().splitlines()) <= 30
