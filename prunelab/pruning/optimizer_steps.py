"""Hears of every optimizer step, also of optimizers that wrap others, join later or take another's place.

torch calls hooks at the end of ``step``, but only where its own base class has set ``step`` up. Wrappers that do
without (accelerate's, some Lookaheads) get their ``step`` replaced by one that calls the listener too.
"""

from __future__ import annotations

import functools
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

Listener = Callable[[Any], None]  # takes the optimizer that has just made a step


def parameters(optimizer: Any) -> Iterator[nn.Parameter]:
    """The parameters that an optimizer holds now; groups may be added later."""
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def moments(optimizer: Any, parameter: nn.Parameter) -> Mapping[str, Any]:
    """What an optimizer keeps for a parameter, by name; {} where it does so in another way than torch's."""
    state = getattr(optimizer, "state", None)
    kept = state.get(parameter) if isinstance(state, Mapping) else None
    return kept if isinstance(kept, Mapping) else {} if kept is None else {"state": kept}


def with_inner(optimizer: Any) -> list[Any]:
    """``optimizer`` and those that it holds as attributes, or in lists and dicts of them; outer ones first.

    Raises TypeError for an object that is no optimizer: it needs ``param_groups`` and ``step``.
    """
    if not _is_optimizer(optimizer):
        inner = [f".{name}" for name, value in _attributes(optimizer).items() if _is_optimizer(value)]
        hint = f"give the one that it holds, {inner[0]}" if inner else "give a torch.optim.Optimizer"
        raise TypeError(f"{type(optimizer).__name__} is not an optimizer, it lacks param_groups or step(): {hint}")
    found = [optimizer]
    for known in found:  # grows meanwhile
        for value in _attributes(known).values():
            values = (
                value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            )
            found += [inner for inner in values if _is_optimizer(inner) and all(inner is not other for other in found)]
    return found


def _attributes(value: Any) -> dict[str, Any]:
    return dict(getattr(value, "__dict__", {}))


def _is_optimizer(value: Any) -> bool:
    if isinstance(value, type | nn.Module):
        return False
    return isinstance(getattr(value, "param_groups", None), list) and callable(getattr(value, "step", None))


class StepWatch:
    """Tells listeners of each step of every torch optimizer in the process. They are held weakly.

    torch has one list of such hooks for the process, and goes through it while other threads may attach: so one hook
    is registered, at the first listener, and never removed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[weakref.WeakMethod[Listener], ...] = ()  # replaced, never changed
        self._registered = False

    def add(self, listener: Listener) -> None:
        """Call the bound method ``listener`` after each step from now on."""
        with self._lock:
            if not self._registered:
                register_optimizer_step_post_hook(self._stepped)
                self._registered = True
            self._listeners = (*self._living(), weakref.WeakMethod(listener))

    def discard(self, listener: Listener) -> None:
        """Do not call ``listener`` any more."""
        with self._lock:
            self._listeners = tuple(known for known in self._living() if known() != listener)

    def _living(self) -> Iterator[weakref.WeakMethod[Listener]]:
        return (known for known in self._listeners if known() is not None)

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        for known in self._listeners:
            listener = known()
            if listener is not None:
                listener(optimizer)


WATCH = StepWatch()


def listen(optimizers: Iterable[Any], listener: Listener) -> list[Callable[[], None]]:
    """Call ``listener`` after each step of those ``optimizers`` that torch's hooks do not cover.

    Returns functions that take this back. Raises TypeError for one whose ``step`` cannot be replaced.
    """
    return [_replace_step(optimizer, listener) for optimizer in optimizers if not _calls_hooks(optimizer)]


def _calls_hooks(optimizer: Any) -> bool:
    """Whether torch set up its ``step``, and nobody but a scheduler of torch's has put another one before it."""
    own = _attributes(optimizer)
    replaced = own.get("step")
    return (
        isinstance(optimizer, Optimizer)
        and getattr(type(optimizer).step, "hooked", False)
        and "_optimizer_step_post_hooks" in own
        and (replaced is None or hasattr(replaced, "_wrapped_by_lr_sched"))
    )


def _replace_step(optimizer: Any, listener: Listener) -> Callable[[], None]:
    """Make ``optimizer.step`` call ``listener`` at its end; returns a function that takes this back."""
    before = optimizer.step
    listening = True

    @functools.wraps(before)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = before(*args, **kwargs)
        if listening:
            listener(self)
        return result

    ours = types.MethodType(step, optimizer)  # a method, because torch's schedulers ask a step for its __func__
    was = _attributes(optimizer).get("step")
    try:
        optimizer.step = ours
    except AttributeError as error:
        raise TypeError(
            f"{type(optimizer).__name__} lets nobody hear of its steps (its step cannot be replaced): "
            "attach to the optimizer inside it"
        ) from error

    def stop() -> None:
        nonlocal listening
        listening = False
        if _attributes(optimizer).get("step") is not ours:
            return  # somebody has put another one before it, and calls ours
        if was is None:
            del optimizer.step
        else:
            optimizer.step = was

    return stop
