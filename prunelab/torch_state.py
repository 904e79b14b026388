"""Context managers that change torch's process-wide state and give it back: generator, threads, tracing, eval mode.

A fair lock lets one of prunelab's threads at a time use what torch keeps once for the whole process.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import nn

_door = threading.Lock()  # whoever is next waits here: without it the thread that has just had its turn would win again
_room = threading.Lock()
_inside: int | None = None  # the thread whose turn it is: it may come in again


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within the block no other thread is in such a block; threads are let in in the order in which they came."""
    global _inside
    me = threading.get_ident()
    if _inside == me:
        yield
        return
    with _door:
        _room.acquire()
    _inside = me
    try:
        yield
    finally:
        _inside = None
        _room.release()


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Within the block ``model`` is in eval mode; afterwards each of its modules is in the mode it was in."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in before:
            module.training = training


def held(model: nn.Module) -> list[nn.Module]:
    """The modules that somebody holds in eval mode within a model in training mode.

    None in a model that is in eval mode itself: that says nothing about its modules.
    """
    return [module for module in model.modules() if not module.training] if model.training else []


SMALL = 10_000_000  # multiplications of a step below which a second thread costs more than it brings


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within the block torch's global generator starts from ``seed``; afterwards it is as it was before.

    device: where the model is; on CUDA that device's generator too. Dropout draws from these and from no other. Blocks
    in several threads take turns (see ``turns``); code outside of prunelab that draws random numbers in another thread
    meanwhile would get some of these, and ours would no longer follow from the seed alone.
    """
    generators = [torch.default_generator]
    if device is not None and device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    with alone():
        states = [generator.get_state() for generator in generators]
        for generator in generators:
            generator.manual_seed(seed)
        try:
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def threads_for(connections: int, batch_size: int) -> int:
    """How many threads train such a network fastest: one for small steps, where handing work over costs more."""
    return 1 if connections * batch_size < SMALL else torch.get_num_threads()


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the block torch computes with ``count`` threads; blocks in several threads take turns (see ``turns``)."""
    with alone():
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
