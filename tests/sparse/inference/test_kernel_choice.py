"""Which kernel a layer gets: measured, kept, honoured."""

import json

import pytest
import torch

from prunelab.sparse.inference import kernel_choice, linear_chain
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.kernel_choice import Costs, Race, cheapest, race
from support.convertible import KERNELS, mlp, network, same


def test_choices_are_measured_kept_and_honoured():
    model, shape = network("lenet-5")
    example = torch.randn(2, *shape)
    converted = convert(model, example, batches=(32, 1))
    assert set(converted.choices) == {"conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"}
    assert all(list(chosen) == [1, 32] for chosen in converted.choices.values())
    wish = {
        "conv1": "dense",
        "conv2.weight": {"1": "csr", "32": "dense"},
        "fc1": {1: "scipy", 32: "csr"},
        "fc2": "scipy",
    }
    again = convert(model, example, batches=(1, 32), kernel=wish)
    expected = {
        "conv1.weight": {1: "dense", 32: "dense"},
        "conv2.weight": {1: "csr", 32: "dense"},
        "fc1.weight": {1: "scipy", 32: "csr"},
        "fc2.weight": {1: "scipy", 32: "scipy"},
    }
    assert again.choices == expected
    stored = json.loads(json.dumps(again.choices))
    assert convert(model, batches=(1, 32), kernel=stored).choices == expected
    again.choices["fc1.weight"][1] = "dense"
    assert again.choices == expected
    for batch in (1, 9, 64):
        same(again(example[:1].expand(batch, -1, -1, -1)), model(example[:1]).expand(batch, -1))


def test_the_winner_of_the_race_is_chosen_and_told_why(monkeypatch):
    measured = []

    def rigged(candidates):
        measured.append(set(candidates))
        return dict.fromkeys(candidates, 1.0)

    def rigged_race(candidates, standard):
        measured.append(set(candidates))
        for run in candidates.values():
            run()
        assert set(standard) == {"dense"}
        return Race(winner := ("scipy", "dense"), winner, 1.5)

    monkeypatch.setattr(linear_chain, "medians", rigged)
    monkeypatch.setattr(linear_chain, "race", rigged_race)
    monkeypatch.setattr(linear_chain, "cheapest", lambda costs, allowed: ("scipy", "dense"))
    converted = convert(mlp(40, 30, 20), batches=(1, 16))
    assert converted.choices == {"0.weight": {1: "scipy", 16: "scipy"}, "2.weight": {1: "dense", 16: "dense"}}
    assert set(converted.reasons) == set(converted.choices)
    assert converted.reasons["0.weight"] == dict.fromkeys((1, 16), "scipy + dense 1.50x as fast as dense")
    uniform = {(kernel, kernel) for kernel in KERNELS}
    assert measured.count(uniform | {("scipy", "dense")}) == 2 and measured.count(set(KERNELS)) == 4
    measured.clear()
    again = convert(mlp(40, 30, 20), batches=(1, 16), kernel=converted.choices)
    assert again.choices == converted.choices and measured == []
    assert {why for by_batch in again.reasons.values() for why in by_batch.values()} == {linear_chain.NO_CHOICE}


class Clock:
    """A clock that runs advance; what a run takes comes from ``seconds(name, number of this run)``."""

    def __init__(self, seconds):
        self.now, self.runs, self.seconds = 0.0, {}, seconds

    def candidates(self, *names):
        return {name: lambda name=name: self.run(name) for name in names}

    def run(self, name):
        number = self.runs[name] = self.runs.get(name, 0) + 1
        self.now += self.seconds(name, number)


@pytest.fixture
def raced(monkeypatch):
    def run(seconds, *names):
        clock = Clock(seconds)
        monkeypatch.setattr(kernel_choice.time, "perf_counter", lambda: clock.now)
        return race(clock.candidates(*names), "dense"), clock

    return run


ONCE = 3 + kernel_choice.MIN_TURNS  # runs of a slow candidate that is measured once


def test_a_clear_winner_is_taken_after_one_measurement(raced):
    found, clock = raced(lambda name, _: {"dense": 1.0, "csr": 0.8, "scipy": 0.9}[name], "dense", "csr", "scipy")
    assert (found.winner, found.rival, found.speedup) == ("csr", "csr", pytest.approx(1.25))
    assert clock.runs == dict.fromkeys(("dense", "csr", "scipy"), ONCE)
    assert found.explained("dense", "csr") == "csr 1.25x as fast as dense"


def test_dense_stays_where_a_gain_is_smaller_than_the_margin(raced):
    found, clock = raced(lambda name, _: {"dense": 1.0, "csr": 0.97}[name], "dense", "csr")
    assert found.winner == "dense" and found.speedup == pytest.approx(1 / 0.97) and clock.runs["csr"] == ONCE
    assert found.explained("dense", found.rival) == "csr 1.03x as fast as dense: no clear gain"


def test_one_lucky_measurement_is_not_enough(raced):
    """The sparse kernel seems faster in two of five turns; so it is measured again, and dense stays."""
    found, clock = raced(lambda name, number: 1.0 if name == "dense" else (1.3, 0.5)[number % 2], "dense", "csr")
    assert found.winner == "dense" and clock.runs["csr"] == 3 + kernel_choice.REPEATS * kernel_choice.MIN_TURNS


def test_a_burst_of_other_load_does_not_hide_the_winner(raced):
    def seconds(name, number):
        return (2.5 if number in (4, 5) and name == "csr" else 1.0) * (0.6 if name == "csr" else 1.0)

    found, clock = raced(seconds, "dense", "csr")
    assert found.winner == "csr" and clock.runs["csr"] == ONCE + kernel_choice.MIN_TURNS


def test_dense_is_not_raced_where_it_has_no_hope_and_neither_is_a_hopeless_rival(raced):
    found, clock = raced(lambda name, _: {"dense": 9.0, "csr": 1.0, "scipy": 0.99}[name], "dense", "csr", "scipy")
    assert found.winner == found.rival == "scipy" and found.speedup == pytest.approx(9 / 0.99)
    assert clock.runs == {"dense": 3, "csr": 3 + ONCE, "scipy": 3 + ONCE}
    found, clock = raced(lambda name, _: {"dense": 1.0, "csr": 4.0, "scipy": 5.0}[name], "dense", "csr", "scipy")
    assert (found.winner, found.rival, found.speedup) == ("dense", "csr", 0.25)
    assert set(clock.runs.values()) == {3}


def test_a_sparse_layer_has_to_win_clearly_inside_a_chain():
    near = Costs(rows=10, columns={"dense": 10.0, "csr": 9.8, "scipy": 12}, into=0, back=0)
    far = Costs(rows=10, columns={"dense": 10.0, "csr": 4, "scipy": 12}, into=0, back=0)
    assert cheapest([far, near], [KERNELS, KERNELS]) == ("csr", "dense")
    assert cheapest([far, far], [KERNELS, KERNELS]) == ("csr", "csr")


def test_plans_count_transpositions():
    able = [KERNELS, KERNELS]
    sparse_wins = Costs(rows=10, columns={"dense": 11, "csr": 4, "scipy": 5}, into=2, back=1)
    dense_wins = Costs(rows=3, columns={"dense": 3, "csr": 6, "scipy": 7}, into=1, back=1)
    dear = Costs(rows=10, columns={"dense": 11, "csr": 4, "scipy": 5}, into=9, back=1)
    assert cheapest([sparse_wins, dense_wins], able) == ("csr", "dense")
    assert cheapest([dense_wins, sparse_wins], able) == ("dense", "csr")
    assert cheapest([dear, dense_wins], able) == ("dense", "dense")
    assert cheapest([dear, dense_wins], [("scipy",), KERNELS]) == ("scipy", "dense")
    assert cheapest([sparse_wins, sparse_wins], [("dense",), KERNELS]) == ("dense", "csr")


def test_hopeless_candidates_are_not_raced_and_the_others_take_turns(monkeypatch):
    clock = [0.0]
    runs = []

    def run(name, seconds):
        runs.append(name)
        clock[0] += seconds

    monkeypatch.setattr(kernel_choice.time, "perf_counter", lambda: clock[0])
    found = kernel_choice.medians({"a": lambda: run("a", 1.0), "b": lambda: run("b", 2.0), "c": lambda: run("c", 4.0)})
    assert found == pytest.approx({"a": 1.0, "b": 2.0, "c": 4.0})
    assert runs.count("c") == 3 and runs.count("a") == runs.count("b") == 3 + kernel_choice.MIN_TURNS
    assert runs[9:13] in (["a", "b", "b", "a"], ["b", "a", "a", "b"])
