"""The views of a run by name, in the order in which they stand: for links, panels and exports alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A view's name in links and code, its heading in a report, and the term that explains it (glossary.py).

    by_layer: it shows one layer, which has to be chosen. timeless: it shows no snapshot of the run but a measurement,
    say, so that neither slider nor scrubber changes it. on_request: the lab shows it only when asked to.
    """

    name: str
    heading: str
    term: str
    by_layer: bool = False
    timeless: bool = False
    on_request: bool = False


REGISTRY: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("weights", "Weights", "threshold"),
        Entry("distribution", "Distribution", "two peaks", on_request=True),
        Entry("accuracy", "Accuracy", "accuracy"),
        Entry("connections", "Connections", "connections"),
        Entry("mask", "Mask", "mask", by_layer=True),
        Entry("pixels", "Inputs", "input map"),
        Entry("bands", "Bands", "bands", on_request=True),
        Entry("dropout", "Dropout", "dropout adjustment"),
        Entry("size", "Size", "entropy bound", timeless=True),
        Entry("speed", "Speed", "speed", timeless=True),
        Entry("graph", "Network", "network graph", on_request=True),
        Entry("compare", "Runs compared", "round", timeless=True, on_request=True),
        Entry("digits", "Flipped digits", "flipped", on_request=True),
        Entry("draw", "Drawn digit", "probability", timeless=True, on_request=True),
        Entry("sensitivity", "Sensitivity", "sensitivity", timeless=True, on_request=True),
        Entry("tradeoff", "Trade-off", "trade-off curve", timeless=True, on_request=True),
    )
}
