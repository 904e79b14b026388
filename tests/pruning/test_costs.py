"""What a cut costs in memory, as the process sees it. Time is measured by ``prunelab bench``, never asserted here."""

import subprocess
import sys

import pytest

WEIGHTS = 4 * 2500 * 2500  # many: temporaries of one part of a layer count for little
MOST = 8  # bytes a weight, beyond the model

CHILD = """
import sys
import torch
from torch import nn
from prunelab.bench.memory import peak
from prunelab.pruning.masks import Masks

def network(width):
    return nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(4)])

def cut(model):
    masks = Masks(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    masks.attach(optimizer)
    for step in {steps}:
        masks.prune(**step)
        masks.attach(optimizer)

cut(network(4))  # what is loaded and kept once for all is not counted
model = network(2500)
print(peak(lambda: cut(model)))
"""


@pytest.mark.parametrize(
    "steps",
    [
        [{"density": 0.1}],
        [{"density": 0.5}, {"density": 0.2}],
        [{"density": 0.5, "scope": "layer"}],
        [{"quality": 1.0}],
        [{"quality": 0.5}, {"quality": 1.0, "std": "survivors"}],
        [{"density": 0.5, "unit": "2:4"}],
        [{"density": 0.5, "unit": "neuron"}],
    ],
    ids=str,
)
def test_a_cut_takes_at_most_eight_bytes_a_weight(steps):
    run = [sys.executable, "-c", CHILD.format(steps=steps)]
    found = subprocess.run(run, check=True, capture_output=True, text=True)
    assert int(found.stdout) <= MOST * WEIGHTS
