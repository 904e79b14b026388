"""The views of a run by name, in the order in which they stand: for links, panels and exports alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A view's name in links and code, its heading in a report, the term that explains it (glossary.py), and the number
    of the lesson that is about it (lesson_catalogue.py).

    by_layer: it shows one layer, which has to be chosen. timeless: it shows no snapshot of the run but a measurement,
    say, so that neither slider nor scrubber changes it. on_request: the lab shows it only when asked to.
    """

    name: str
    heading: str
    term: str
    lesson: int
    by_layer: bool = False
    timeless: bool = False
    on_request: bool = False


REGISTRY: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("weights", "Weights", "threshold", 2),
        Entry("distribution", "Distribution", "two peaks", 2, on_request=True),
        Entry("accuracy", "Accuracy", "accuracy", 3),
        Entry("connections", "Connections", "connections", 8),
        Entry("mask", "Mask", "mask", 2, by_layer=True),
        Entry("pixels", "Inputs", "input map", 9),
        Entry("bands", "Bands", "bands", 9, on_request=True),
        Entry("dropout", "Dropout", "dropout adjustment", 7),
        Entry("size", "Size", "entropy bound", 11, timeless=True),
        Entry("speed", "Speed", "speed", 11, timeless=True),
        Entry("graph", "Network", "network graph", 9, on_request=True),
        Entry("compare", "Runs compared", "round", 4, timeless=True, on_request=True),
        Entry("digits", "Flipped digits", "flipped", 1, on_request=True),
        Entry("draw", "Drawn digit", "probability", 0, timeless=True, on_request=True),
        Entry("sensitivity", "Sensitivity", "sensitivity", 8, timeless=True, on_request=True),
        Entry("tradeoff", "Trade-off", "trade-off curve", 13, timeless=True, on_request=True),
    )
}
