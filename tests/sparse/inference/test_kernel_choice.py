"""Which kernel a layer gets: measured, kept, honoured."""

import json

import pytest
import torch

from prunelab.sparse.inference import kernel_choice, linear_chain
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.kernel_choice import Costs, cheapest
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


def test_the_fastest_in_the_measurement_is_chosen(monkeypatch):
    measured = []

    def rigged(candidates):
        measured.append(set(candidates))
        for run in candidates.values():
            run()
        return {name: float(name != ("scipy", "dense")) for name in candidates}

    monkeypatch.setattr(linear_chain, "medians", rigged)
    monkeypatch.setattr(linear_chain, "cheapest", lambda costs, allowed: ("scipy", "dense"))
    converted = convert(mlp(40, 30, 20), batches=(1, 16))
    assert converted.choices == {"0.weight": {1: "scipy", 16: "scipy"}, "2.weight": {1: "dense", 16: "dense"}}
    uniform = {(kernel, kernel) for kernel in KERNELS}
    assert measured.count(uniform | {("scipy", "dense")}) == 2 and measured.count(set(KERNELS)) == 4
    measured.clear()
    assert convert(mlp(40, 30, 20), batches=(1, 16), kernel=converted.choices).choices == converted.choices
    assert measured == []


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
