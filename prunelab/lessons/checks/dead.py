"""Lesson 9: neurons that no input reaches, or that reach no output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from prunelab.lessons import readings
from prunelab.lessons.exercise import Exercise, Mistake, Trial

SEED = 9


def dead_neurons(incoming, outgoing):
    """Numbers of the neurons of a layer that have no incoming or no outgoing connection.

    incoming: mask of the layer's own weights, a tensor of bools of shape (neurons, inputs).
    outgoing: that of the next layer, of shape (outputs, neurons). True where a connection is
    kept. Returns a list of numbers, from 0 on.
    """
    alive = incoming.any(dim=1) & outgoing.any(dim=0)
    return (~alive).nonzero().flatten().tolist()


def _layer(
    sizes: tuple[int, int, int], *, silent: Iterable[int] = (), unheard: Iterable[int] = (), density: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Masks before and after a layer; ``silent`` neurons have no inputs, ``unheard`` ones no outputs, others both."""
    inputs, neurons, outputs = sizes
    generator = torch.Generator().manual_seed(SEED)
    incoming = torch.rand((neurons, inputs), generator=generator) < density
    outgoing = torch.rand((outputs, neurons), generator=generator) < density
    incoming[range(neurons), [i % inputs for i in range(neurons)]] = True
    outgoing[[i % outputs for i in range(neurons)], range(neurons)] = True
    incoming[list(silent)] = False
    outgoing[:, list(unheard)] = False
    return incoming, outgoing


def _one_connection() -> tuple[Tensor, Tensor]:
    """Neurons with exactly one connection on each side are alive."""
    return torch.eye(5, dtype=torch.bool), torch.eye(5, dtype=torch.bool)


def _found(mask: Any) -> list[int]:
    return [int(i) for i in mask.nonzero().flatten()]


EXERCISES = (
    Exercise(
        lesson=9,
        seed=SEED,
        reference=dead_neurons,
        trials=(
            Trial(
                "neuron 2 without inputs and neuron 4 without outputs",
                lambda: _layer((7, 6, 5), silent=[2], unheard=[4]),
            ),
            Trial("as many inputs, neurons and outputs", lambda: _layer((6, 6, 6), silent=[1, 3], unheard=[3, 5])),
            Trial("neuron 0 without outputs", lambda: _layer((9, 4, 3), unheard=[0])),
            Trial("neurons with one connection on each side", _one_connection),
            Trial(
                "inputs that nobody reads", lambda: (_layer((8, 5, 4))[0] & (torch.arange(8) > 2), _layer((8, 5, 4))[1])
            ),
            Trial("a layer in which none is dead", lambda: _layer((6, 8, 7))),
            Trial("a layer in which all are dead", lambda: _layer((6, 4, 7), silent=range(4))),
            Trial("a single neuron without inputs", lambda: _layer((3, 1, 2), silent=[0])),
        ),
        reads=lambda value, arguments: readings.indices(value, "a list of numbers of neurons"),
        form=lambda value: list(readings.indices(value)),
        same=lambda a, b: a == b,
        shows=readings.listed,
        hints=(
            "In `incoming` a neuron is a row, in `outgoing` it is a column. `any(dim=...)` says whether one is True.",
            "`incoming.any(dim=1)` is True for neurons with an input, `outgoing.any(dim=0)` for those with an output. "
            "Which combination is alive?",
            "Alive is who has both. `(~alive).nonzero().flatten()` are the numbers of the others.",
        ),
        mistakes=(
            Mistake(
                lambda incoming, outgoing: _found(~incoming.any(1)),
                "Only the inputs are looked at. A neuron that nobody listens to is dead too.",
            ),
            Mistake(
                lambda incoming, outgoing: _found(~outgoing.any(0)),
                "Only the outputs are looked at. A neuron without inputs is dead too.",
            ),
            Mistake(
                lambda incoming, outgoing: [*_found(~incoming.any(1)), *_found(~outgoing.any(0))],
                "A neuron that lacks both is named twice: a neuron is dead once.",
            ),
            Mistake(
                lambda incoming, outgoing: _found(~incoming.any(1) & ~outgoing.any(0)),
                "These lack both. One is enough: without inputs, or without outputs.",
            ),
            Mistake(
                lambda incoming, outgoing: _found(incoming.any(1) & outgoing.any(0)),
                "These are the neurons that are alive. The others are asked for.",
            ),
            Mistake(
                lambda incoming, outgoing: _found(~incoming.all(1) | ~outgoing.all(0)),
                "These lack some connection: `all` asks for every one. A neuron lives with a single one on each side: "
                "`any`.",
            ),
            Mistake(
                lambda incoming, outgoing: sorted({*_found(~incoming.any(0)), *_found(~outgoing.any(1))}),
                "Rows and columns are mixed up: in `incoming` a neuron is a row, `any(dim=1)`; in `outgoing` a column.",
            ),
            Mistake(
                lambda incoming, outgoing: sorted({*_found(~incoming.any(1)), *_found(~outgoing.any(1))}),
                "In `outgoing` a neuron is a column: its connections stand below each other, `any(dim=0)`. The rows "
                "are the next layer's neurons.",
            ),
            Mistake(
                lambda incoming, outgoing: [i + 1 for i in _found(~(incoming.any(1) & outgoing.any(0)))],
                "The neurons are counted from 1; Python counts from 0.",
            ),
            Mistake(
                lambda incoming, outgoing: len(_found(~(incoming.any(1) & outgoing.any(0)))),
                "This is how many there are. Which ones is asked for.",
            ),
            Mistake(
                lambda incoming, outgoing: ~(incoming.any(1) & outgoing.any(0)),
                "This is a mask, True where a neuron is dead. Numbers are asked for: `mask.nonzero().flatten()`.",
            ),
        ),
    ),
)
