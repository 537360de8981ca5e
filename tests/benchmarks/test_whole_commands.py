"""What a whole command costs is counted over all its processes, and a larger run is foretold by a straight line."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data import made_up
from benchmarks.whole import Cost, command_cost, grown, write_bars
from forewalk.data.loading import load_bars
from forewalk.settings.loading import settings_from

MEBIBYTES = 200
HOLDER = f"""
import multiprocessing, time

def hold():
    kept = bytearray({MEBIBYTES} * 2**20)
    kept[::4096] = b"x" * len(kept[::4096])
    until = time.process_time() + 0.7
    while time.process_time() < until:
        pass

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    workers = [multiprocessing.Process(target=hold) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory of processes is read from /proc")
def test_workers_count_in_time_and_memory(tmp_path, monkeypatch):
    (tmp_path / "holder.py").write_text(HOLDER)
    cost = command_cost(["holder"], tmp_path)
    assert cost.processor_s >= 1.4
    assert MEBIBYTES / 1024 < cost.peak_gb < 4 * MEBIBYTES / 1024


def test_a_command_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(RuntimeError, match="no_such_module"):
        command_cost(["no_such_module"], tmp_path)


@given(
    once=st.floats(0, 100),
    each=st.floats(0.01, 10),
    sizes=st.sets(st.integers(1, 500), min_size=2, max_size=4),
)
def test_what_grows_by_the_symbol_is_foretold_exactly(once, each, sizes):
    points = {size: Cost(*(once + each * size for _ in range(3))) for size in sorted(sizes)}
    assert grown(points, 1000).processor_s == pytest.approx(once + each * 1000)


def test_the_bars_of_a_measured_run_are_read_back_as_they_were(tmp_path):
    bars = made_up(3, 300)
    file = write_bars(bars, tmp_path / "bars.parquet")
    read, _ = load_bars(settings_from({"data": {"source": "parquet", "path": str(file)}}).data)
    assert read.symbols == bars.symbols
    assert (read.timestamps == bars.timestamps).all()
    assert read.close == pytest.approx(bars.close)
