"""The views of a run by name, in the order in which they stand: for links, panels and exports alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A view's name in links and code, and its heading in a report.

    by_layer: it shows one layer, which has to be chosen. timeless: it shows no snapshot of the run but a measurement,
    say, so that neither slider nor scrubber changes it. on_request: the lab shows it only when asked to.
    """

    name: str
    heading: str
    by_layer: bool = False
    timeless: bool = False
    on_request: bool = False


REGISTRY: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("weights", "Weights"),
        Entry("accuracy", "Accuracy"),
        Entry("connections", "Connections"),
        Entry("mask", "Mask", by_layer=True),
        Entry("pixels", "Inputs"),
        Entry("dropout", "Dropout"),
        Entry("size", "Size", timeless=True),
        Entry("speed", "Speed", timeless=True),
        Entry("graph", "Network", on_request=True),
        Entry("compare", "Runs compared", timeless=True, on_request=True),
        Entry("digits", "Flipped digits", on_request=True),
        Entry("draw", "Drawn digit", timeless=True, on_request=True),
        Entry("sensitivity", "Sensitivity", timeless=True, on_request=True),
    )
}
