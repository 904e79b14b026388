"""The bench of the stacked engine, once through with few networks. No assertion on time."""

import json

import pytest
import torch

from prunelab.bench import memory, stacked
from prunelab.data import own
from prunelab.results.sweep import Run


def test_a_sweep_is_timed_against_sessions_one_after_another():
    row = stacked.speed_row(2, epochs=1, rounds=1)
    assert row.figure > 0 and row.better == "at least" and "sweep of 2 small networks" in row.name


@pytest.mark.parametrize("name", stacked.PEAKS)
def test_the_work_whose_memory_is_measured_runs_to_its_end(name, monkeypatch):
    monkeypatch.setattr(stacked, "WIDE", 2)
    x = torch.rand(40, 1, 8, 8)
    y = torch.arange(40) % 10
    done = stacked.PEAKS[name](own((x, y), (x, y)), "mlp-small")()
    if name == "stack":
        runs = [item for item in done if isinstance(item, Run)]
        assert len(runs) == 2 and all(run.density == pytest.approx(stacked.DENSITY, abs=1e-3) for run in runs)


def test_memory_is_told_as_a_part_of_so_many_networks(monkeypatch):
    peaks = {"one": 5e6, "stack": 64e6}

    class Done:
        def __init__(self, command):
            self.stdout = json.dumps(peaks[command[-1]])

    monkeypatch.setattr(stacked.subprocess, "run", lambda command, **options: Done(command))
    row = stacked.memory_row(rounds=2)
    assert row.figure == pytest.approx(64 / (stacked.WIDE * 5)) and row.met
    peaks["stack"] = None  # where the system does not count it
    assert stacked.memory_row(rounds=2) is None


def test_a_process_prints_its_peak(monkeypatch, capsys):
    monkeypatch.setattr(stacked.sys, "argv", ["", "one"])
    monkeypatch.setattr(stacked, "MODEL", "mlp-small")
    monkeypatch.setattr(stacked, "SAMPLES", 70)
    monkeypatch.setattr(memory, "peak", lambda run: run() or 7)
    stacked.child()
    assert capsys.readouterr().out == "7\n"
