"""The key figures of a run in words: for each (figure, a second line about it)."""

from __future__ import annotations

from collections.abc import Iterable

from prunelab.formatting import AS_LARGE, compared, count, kilobytes, percent, times
from prunelab.results.measurement import Measurement
from prunelab.results.snapshot import Snapshot
from prunelab.results.subject import Subject

Lines = tuple[str, str]  # figure, second line


def right(now: Snapshot) -> str:
    """The accuracy, or another metric; "?" if it is not known."""
    return "?" if now.test_accuracy is None else now.objective.text(now.test_accuracy)


def accuracy(now: Snapshot) -> Lines:
    before = now.dense_accuracy
    return right(now), "" if before is None else f"{now.origin.label} {now.objective.text(before)}"


def connections(now: Snapshot) -> Lines:
    return percent(now.density), f"{count(now.kept)} of {count(now.total)}"


def compression(now: Snapshot, subject: Subject | None = None) -> Lines:
    """The compression, and where it is not of all that the network has: what it counts, and what not."""
    if subject is None or not subject.uncounted:
        return times(now.compression), "fewer connections"
    layers = "1 layer" if subject.layers == 1 else f"{subject.layers} layers"
    return (
        times(now.compression),
        f"of {count(subject.counted)} weights in {layers}; {count(subject.uncounted)} in others not counted",
    )


def uncounted(subject: Subject | None) -> str:
    """The same in brief; "" where nothing but the biases of pruned layers is not counted."""
    return f"{count(subject.uncounted)} not counted" if subject is not None and subject.uncounted else ""


def dropout(now: Snapshot) -> Lines:
    """The rates of all dropouts, from the lowest to the highest, and what they were in the dense network."""
    if not now.dropouts:
        return "none", "no dropout in this network"
    return _rates(each.rate for each in now.dropouts), f"dense {_rates(each.original for each in now.dropouts)}"


def _rates(rates: Iterable[float]) -> str:
    shown = sorted({f"{rate:.2f}" for rate in rates})
    return shown[0] if len(shown) == 1 else f"{shown[0]}–{shown[-1]}"


def effective(now: Snapshot) -> Lines:
    """The effective density, and how many neurons and filters are dead."""
    if now.effective is None or now.dead is None:
        return "–", "not available for this model"
    return percent(now.effective / now.total), f"{count(now.dead)} dead neuron{'' if now.dead == 1 else 's'}"


def zeros(now: Snapshot) -> Lines:
    return "yes" if now.zeros_hold else "NO", f"{count(now.total - now.kept)} cut"


def file(measurement: Measurement) -> Lines:
    packed, dense = measurement.bytes("packed"), measurement.bytes("dense")
    how = compared(packed, dense)
    return kilobytes(packed), f"{how} as dense" if how == AS_LARGE else f"{how} than dense"


def speed(measurement: Measurement, batch: int) -> Lines:
    """The speedup of the fastest network at a batch size, or that there is no gain, or no clear result."""
    name, speedup = measurement.fastest(batch)
    if speedup > 1:
        return times(speedup), f"{name}, batch {batch}"
    if measurement.unsteady(batch):
        return "unsteady", f"at batch {batch}: measure again"
    return "no gain", f"none beats dense at batch {batch}"
