"""The table of a GPU runs unattended: without a device it is of the processor alone, and says so."""

import pytest
import torch

from benchmarks import gpu
from benchmarks.measure import Report


@pytest.fixture
def small(monkeypatch):
    """Networks of the same kinds over less data."""
    monkeypatch.setattr(gpu, "SEEDS", 1)
    monkeypatch.setattr(gpu, "SYMBOLS", 2)
    monkeypatch.setattr(gpu, "ROWS", 1300)
    monkeypatch.setattr(gpu, "PASSES", 1)
    monkeypatch.setattr(gpu, "SMALL_PRODUCT", 64)
    monkeypatch.setattr(gpu, "NETWORKS", 2)
    monkeypatch.setattr(gpu, "KINDS", {"LSTM": {"hidden_size": 4}})


def test_without_a_device_the_processor_is_measured_and_it_is_said(small, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    report = gpu.run()
    assert "processor alone" in report.details["gpu"]
    assert [line.what for line in report.lines] == [
        "LSTM, one processor core",
        "one step of 2 networks on cpu",
        "its share of the device's bf16 rate",
    ]
    assert all(line.value > 0 for line in report.lines)
    assert "no device here" in report.lines[0].note


def test_the_report_of_a_table_is_ready_for_json(small, monkeypatch):
    report = Report("gpu", "nothing")
    gpu.step_lines(report, "cpu", 64)
    assert report.to_json()["lines"][0]["unit"] == "ms"
