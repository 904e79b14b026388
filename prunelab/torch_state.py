"""Context managers that change torch's state and restore it: random generator, threads, tracing, eval mode, autocast.

A fair lock serialises prunelab's threads around torch's process-wide state.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import nn

_queue = threading.Lock()  # the next thread waits here; without it, the thread that just released would win again
_lock = threading.Lock()
_owner: int | None = None  # the thread that holds the lock and may re-enter


@contextlib.contextmanager
def process_lock() -> Iterator[None]:
    """A fair, re-entrant lock: only one thread at a time is in such a block, in order of arrival."""
    global _owner
    thread = threading.get_ident()
    if _owner == thread:
        yield
        return
    with _queue:
        _lock.acquire()
    _owner = thread
    try:
        yield
    finally:
        _owner = None
        _lock.release()


@contextlib.contextmanager
def own_types() -> Iterator[None]:
    """Within the block ``torch.autocast`` is off on the CPU: operations run in the types of their tensors."""
    with torch.autocast("cpu", enabled=False):
        yield


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Within the block ``model`` is in eval mode; afterwards the mode of each module is restored."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in before:
            module.training = training


def held(model: nn.Module) -> list[nn.Module]:
    """Modules that the user keeps in eval mode within a model in training mode.

    An empty list for a model in eval mode, which does not show the user's intent for its modules.
    """
    return [module for module in model.modules() if not module.training] if model.training else []


MIN_PARALLEL = 10_000_000  # multiplications of a step below which a second thread costs more than it saves


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within the block torch's global generator starts from ``seed``; afterwards its state is restored.

    device: of the model; for CUDA, that device's generator is seeded too. Dropout uses only these. Blocks in several
    threads take turns (see ``process_lock``). Code outside prunelab that draws random numbers in another thread
    meanwhile takes numbers from this stream, so that results depend on more than the seed.
    """
    generators = [torch.default_generator]
    if device is not None and device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    with process_lock():
        states = [generator.get_state() for generator in generators]
        for generator in generators:
            generator.manual_seed(seed)
        try:
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def threads_for(connections: int, batch_size: int) -> int:
    """The fastest number of training threads: one for small steps, where dispatching work costs more."""
    return 1 if connections * batch_size < MIN_PARALLEL else torch.get_num_threads()


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the block torch uses ``count`` threads; blocks in several threads take turns (see ``process_lock``)."""
    with process_lock():
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def mix(seed: int, a: int, b: int) -> int:
    """Hash three numbers into one of 63 bits (splitmix64's finaliser)."""
    value = seed
    for part in (a, b):
        value = (value * 0x9E3779B97F4A7C15 + part + 0x632BE59BD9B4E019) & (2**64 - 1)
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        value ^= value >> 31
    return value >> 1
