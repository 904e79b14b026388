"""The figures that everybody asks for first, in words. Of each the figure, and a second line about it."""

from __future__ import annotations

from prunelab.formatting import count, kilobytes, percent
from prunelab.results.measurement import Measurement
from prunelab.results.snapshot import Snapshot

Said = tuple[str, str]


def right(now: Snapshot) -> str:
    """The accuracy, where it is known."""
    return "?" if now.test_accuracy is None else percent(now.test_accuracy)


def accuracy(now: Snapshot) -> Said:
    return right(now), "" if now.dense_accuracy is None else f"dense {percent(now.dense_accuracy)}"


def connections(now: Snapshot) -> Said:
    return percent(now.density), f"{count(now.kept)} of {count(now.total)}"


def compression(now: Snapshot) -> Said:
    return f"{now.compression:.1f}x", "fewer connections"


def zeros(now: Snapshot) -> Said:
    return "yes" if now.zeros_hold else "NO", f"{count(now.total - now.kept)} cut"


def file(found: Measurement) -> Said:
    packed, dense = found.bytes("packed"), found.bytes("dense")
    return kilobytes(packed), f"{dense / packed:.1f}x smaller than dense"


def speed(found: Measurement, batch: int) -> Said:
    """Of the fastest network for a batch size; that pruning gains nothing is said, too, and that nobody can tell."""
    name, speedup = found.fastest(batch)
    if speedup > 1:
        return f"{speedup:.1f}x", f"{name}, batch {batch}"
    if found.unsteady(batch):
        return "no verdict", f"unsteady at batch {batch}: measure again"
    return "no gain", f"none beats dense at batch {batch}"
