"""The bench's arithmetic against NumPy, and its loops once through. No assertion on time."""

import json
import math
import re
import signal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from prunelab.bench import costs, engine, memory, stacked
from prunelab.bench.statistics import interleave, percentile, ratios, spread
from prunelab.bench.table import Row, rendered
from prunelab.cli.app import app

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(SAMPLES, st.floats(0, 1))
def test_percentiles_are_numpys(values, share):
    assert percentile(values, share) == pytest.approx(np.quantile(values, share), rel=1e-9, abs=1e-6)


@given(SAMPLES)
def test_a_spread_is_median_and_quartiles(values):
    found = spread(values)
    expected = np.quantile(values, [0.25, 0.5, 0.75])
    assert [found.low, found.median, found.high] == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-6)


def test_ratios_are_of_pairs():
    assert ratios([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]).median == 3.0
    with pytest.raises(ValueError, match="pairs"):
        ratios([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="not positive"):
        ratios([1.0], [0.0])


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_nothing_is_made_up_for_values_that_are_none(values):
    with pytest.raises(ValueError, match="percentile needs"):
        spread(values)


def test_candidates_take_turns_in_alternating_order():
    order = []
    found = interleave({name: lambda name=name: order.append(name) or 1.0 for name in "ab"}, 3)
    assert {name: len(values) for name, values in found.items()} == {"a": 3, "b": 3}
    assert sorted(order[:2]) == ["a", "b"] and order[2:4] == order[4:6][::-1]


def test_a_row_knows_which_side_of_its_target_is_good():
    assert Row("a", 1.05, "x", target=1.10).met and not Row("a", 1.2, "x", target=1.10).met
    assert Row("b", 1.5, "x", target=1.4, better="at least").met and Row("c", 1.0, "s").met is None
    assert rendered([Row("a", 1.05, "x", target=1.10)]).renderables[0].row_count == 1


def test_each_part_is_shown_and_kept_as_soon_as_it_is_measured(monkeypatch, tmp_path):
    def first(*, quick, say):
        say("the first")
        return [Row("one", 1.0, "x", note="a note")]

    def second(*, quick, say):
        return [Row("two", 2.0, "x"), Row("three", 3.0, "x")]

    def third(*, quick, say):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "rows", first)
    monkeypatch.setattr(stacked, "rows", second)
    monkeypatch.setattr(costs, "rows", third)
    done = CliRunner().invoke(app, ["bench", "engine", "--json", str(tmp_path / "figures.json")])
    assert done.exit_code == 128 + signal.SIGINT and "measuring: the first" in done.stderr
    shown = [re.findall(r"[\w.]+", line) for line in done.stdout.splitlines()]
    assert ["1", "one"] in [words[:2] for words in shown] and ["3", "three"] in [words[:2] for words in shown]
    assert ["1.", "a", "note"] in shown, "the number of its row"
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert [row["name"] for row in kept["rows"]] == ["one", "two", "three"] and kept["quick"] is False


def test_the_training_loops_run_and_give_finite_ratios():
    rows = engine.training_rows(steps=2, rounds=2)
    assert len(rows) == 4 and all(math.isfinite(row.figure) and row.figure > 0 for row in rows)


def test_a_peer_that_is_installed_has_a_row_of_its_own(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: name)
    monkeypatch.setattr(engine, "version", lambda name: "9.9")
    monkeypatch.setattr(engine, "_by_fasterai", engine._by_torch)
    peer = engine.training_rows(steps=1, rounds=1)[-1]
    assert peer.name.startswith("DataLoader + fasterai") and "fasterai 9.9" in peer.note and peer.target is None


def test_the_products_are_those_of_a_training_step():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    x = torch.rand(4, 1, 2, 3)

    def products(run):
        with FlopCounterMode(display=False) as counter:
            run()
        return counter.get_total_flops()

    step = products(lambda: model(x).sum().backward())
    assert products(lambda: next(engine._products(model, x))) == step == 2 * 4 * (2 * 30 + 3 * 15)


@pytest.mark.parametrize("name", costs.OPERATIONS)
def test_every_operation_runs(name, tmp_path):
    assert costs.OPERATIONS[name](costs.network(0.01), tmp_path) is not None
    costs.OPERATIONS[name](costs.network(0.01), tmp_path)()


def test_each_is_measured_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "OPERATIONS", {name: costs.OPERATIONS[name] for name in ("density cut", "load")})
    found = costs._measured(0.01, tmp_path, rounds=1)
    assert {name: len(measured) for name, measured in found.items()} == {"density cut": 1, "load": 1}
    assert all(cost.seconds > 0 and cost.own >= 0 and cost.bytes >= 0 for (cost,) in found.values())


def test_costs_are_told_by_ratios_and_targets():
    def linear(seconds, peak):
        return {size: [costs.Cost(seconds * size, size, peak)] * 3 for size in costs.SIZES}

    measured = {name: linear(1.0, 2.0) for name in costs.OPERATIONS}
    measured["global_unstructured"] = linear(10.0, 50.0)
    measured["save"] = {size: [costs.Cost(1.0, size**2, None)] * 3 for size in costs.SIZES}
    measured["quality cut"] = linear(0.1, 9.0)
    rows = {row.name: row for row in costs._rows(measured)}
    cut = rows["density cut of 25 million weights / torch.nn.utils.prune.global_unstructured"]
    assert cut.figure == pytest.approx(0.1) and cut.met and "50.0 bytes a weight" in cut.note
    assert rows["density cut of 25 million weights: peak memory beyond the model"].met
    assert not rows["quality cut of 25 million weights: peak memory beyond the model"].met
    growth = {name: row for name, row in rows.items() if "work a weight" in name}
    assert len(growth) == len(costs.OPERATIONS) - 1
    assert [name.partition(":")[0] for name, row in growth.items() if not row.met] == ["save"]


def test_a_peak_is_what_was_held_at_once():
    megabytes = 50
    ones = memory.peak(lambda: [bytearray(megabytes << 20) for _ in range(3)][:0])
    twice = memory.peak(lambda: [len(bytearray(megabytes << 20)) for _ in range(3)])
    assert 2.9 < ones / (megabytes << 20) < 3.2 and twice / (megabytes << 20) < 1.2
