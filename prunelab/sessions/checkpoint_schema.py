"""Saved: what the numbers of a saved session may be. A file that was edited or damaged is an error when it is read,
not in the middle of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from prunelab.results.snapshot import PHASES

LARGEST = 2**53  # beyond this JSON's numbers are no longer exact

Check = Callable[[Any], bool]


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _row(*checks: Check) -> Check:
    return lambda value: (
        isinstance(value, list | tuple)
        and len(value) == len(checks)
        and all(check(part) for check, part in zip(checks, value, strict=True))
    )


def _fields(**checks: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and value.keys() == checks.keys() and all(checks[name](value[name]) for name in checks)
    )


def _each(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(check(part) for part in value.values())


def _text(value: Any) -> bool:
    return isinstance(value, str)


CUT = _fields(
    threshold=_maybe(_number),
    deviation=_maybe(_number),
    kept=_count,
    total=_count,
    spared=lambda v: isinstance(v, bool),
)
CHECKS: dict[str, Check] = {
    "phase": lambda value: value in PHASES and value != "preview",
    "round": _count,
    "step": _count,
    "clock": _count,
    "course": _maybe(_fields(start=_count, steps=_count, rate=_number)),
    "averages": _maybe(_row(_number, _share)),
    "tested": _maybe(_row(_number, _share, _count)),
    "dense_accuracy": _maybe(_share),
    "cut": _fields(quality=_maybe(_number), density=_maybe(_share)),
    "samples": _row(_count, _count),
    "data": _text,
    "cuts": _each(CUT),
    "rates": _each(_row(_share, _share)),
    "owners": _each(_text),
}
APART = (
    "model",
    "masks",
    "ghosts",
    "predicted",
    "optimizer",
    "history",
)  # tensors and snapshots: checked as they are read


def check(state: Mapping[str, Any]) -> None:
    """Raise ValueError, with name and value, unless ``state`` is one that a session can be in."""
    odd = sorted(state.keys() ^ {*CHECKS, *APART})
    if odd:
        raise ValueError(f"{', '.join(odd)}: missing, or not of a session")
    for name, allowed in CHECKS.items():
        if not allowed(state[name]):
            raise ValueError(f"{name} = {str(state[name])[:80]} cannot be")
    phase, course, step, clock = state["phase"], state["course"], state["step"], state["clock"]
    learning = phase in ("training", "retraining")
    sound = {
        "round": (state["round"] == 0) == (phase in ("new", "training", "trained")),
        "course": course is not None if learning or phase == "retrained" else course is None or phase == "trained",
        "step": step == 0 if course is None else step <= course["steps"],
        "clock": (phase != "new" or clock == 0) and (course is None or clock == course["start"] + step),
        "tested": (state["tested"] is None) == (not state["predicted"]),
        "optimizer": state["optimizer"] is None or learning,
    }
    for name, right in sound.items():
        if not right:
            raise ValueError(f"{name} does not fit phase {phase!r} at round {state['round']}, step {step}")
