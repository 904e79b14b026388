"""All views of a run by name, for the exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prunelab import views
from prunelab.formatting import percent, times
from prunelab.results.measurement import Measurement
from prunelab.results.snapshot import Snapshot
from prunelab.views.figure import View
from prunelab.views.registry import REGISTRY

_MARKUP = re.compile(r"<(?!/?(?:b|br|i|sub|sup|extra)>)")


@dataclass(frozen=True)
class Picture:
    """How to draw a view as of the last snapshot of a history.

    ``draw`` takes the history, what was measured and, for a view that shows one layer, its parameter name.
    """

    name: str
    draw: Callable[[Sequence[Snapshot], Measurement | None, str | None], View]

    @property
    def heading(self) -> str:
        return REGISTRY[self.name].heading

    @property
    def by_layer(self) -> bool:
        """Whether it shows one layer, which has to be named."""
        return REGISTRY[self.name].by_layer

    @property
    def measured(self) -> bool:
        """Whether it shows the measurement, and so is the same at every snapshot."""
        return REGISTRY[self.name].timeless


PICTURES: tuple[Picture, ...] = (
    Picture("weights", lambda h, m, layer: views.weights(h[-1], [layer] if layer else None)),
    Picture("distribution", lambda h, m, layer: views.distribution(h)),
    Picture("accuracy", lambda h, m, layer: views.accuracy(h)),
    Picture("connections", lambda h, m, layer: views.connections(h[-1])),
    Picture("mask", lambda h, m, layer: views.mask(h[-1], layer)),
    Picture("pixels", lambda h, m, layer: views.pixels(h[-1])),
    Picture("bands", lambda h, m, layer: views.bands(h[-1])),
    Picture("dropout", lambda h, m, layer: views.dropout(h)),
    Picture("size", lambda h, m, layer: views.size(m)),
    Picture("speed", lambda h, m, layer: views.speed(m)),
)


def shows_something(view: View) -> bool:
    """False for a view that only says why it is empty."""
    return bool(view["data"])


def checked(history: Sequence[Snapshot]) -> list[Snapshot]:
    """The history as a list. Raises ValueError if it is empty."""
    snapshots = list(history)
    if not snapshots:
        raise ValueError("this history is empty: there is nothing to export before a run has begun; train first")
    return snapshots


def figures_of(snapshot: Snapshot) -> str:
    """The numbers of a snapshot in one line."""
    objective, accuracy = snapshot.objective, snapshot.test_accuracy
    right = f"{objective.metric} unknown" if accuracy is None else objective.says(accuracy)
    return f"{right}, {percent(snapshot.density)} of the connections ({times(snapshot.compression)} fewer)"


def harmless(value: Any) -> Any:
    """A view whose text has none of plotly.js's links, styles and TeX; simple markup (bold, line breaks) stays.

    Titles and labels contain names of layers, and a network from an untrusted source may have malicious ones.
    """
    if isinstance(value, str):
        return value if value.startswith("data:image/png;base64,") else _text(value)
    if isinstance(value, dict):
        return {key: harmless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [harmless(item) for item in value] if value and not isinstance(value[0], int | float) else value
    return value


def _text(text: str) -> str:
    return _MARKUP.sub("&lt;", text).replace("$", "&#36;")
