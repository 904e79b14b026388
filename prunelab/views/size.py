"""Bytes of the network by format, compared with values plus entropy of a mask without structure."""

from __future__ import annotations

from prunelab.formatting import AS_LARGE, compared, kilobytes
from prunelab.results.measurement import Measurement
from prunelab.views import palette
from prunelab.views.figure import View, axis, empty, figure, named_axis, note
from prunelab.views.subjects import a_result

INDEPENDENT = "entropy if places were independent"
MISSING = "Nothing measured yet: press Measure, or let a run end."


def unmeasured() -> View:
    """An empty view of small height that says how to measure: it may stay empty for a while."""
    view = empty(MISSING)
    view["layout"]["height"] = 96
    return view


def size(measurement: Measurement | None) -> View:
    """One bar per format (kB), labelled by how much smaller or larger than dense it is.

    The line is the minimum for every exact format if connections survived independently, with the same probability
    within a layer. Real masks have dead rows and bands: a file that exploits these can be smaller.

    Args:
        measurement: what was measured. None: an empty view.

    Raises:
        TypeError: it is anything else than a ``Measurement`` or None.
    """
    measurement = a_result(measurement, Measurement, "size")
    if measurement is None or not measurement.sizes:
        return unmeasured()
    dense, bound = measurement.bytes("dense"), measurement.bytes("bound")
    shown = [x for x in measurement.sizes if x.format != "bound"][::-1]  # plotly stacks upwards
    colours = {"packed": palette.KEPT, "dense": palette.DENSE}
    data = [
        {
            "type": "bar", "orientation": "h",
            "y": [x.format for x in shown], "x": [round(x.bytes / 1000, 2) for x in shown],
            "text": [_label(x.bytes, dense) for x in shown], "textposition": "outside", "cliponaxis": False,
            "customdata": [x.about for x in shown],
            "marker": {"color": [colours.get(x.format, palette.QUIET) for x in shown]},
            "hovertemplate": "%{y}: %{x:,.1f} KB, %{customdata}<extra></extra>",
        }
    ]  # fmt: skip
    line = {"color": palette.LINE, "width": 2, "dash": "dot"}
    at = bound / 1000
    shapes = [{"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": line}]
    notes = [note(f"{INDEPENDENT}: {kilobytes(bound)}", at, 1, yref="paper", yanchor="bottom", xanchor="left")]
    largest = max(x.bytes for x in measurement.sizes) / 1000
    return figure(
        data, _title(measurement, dense), shapes=shapes, annotations=notes, height=330,
        margin={"l": 48, "r": 12, "t": 54, "b": 40},
        xaxis=axis("kilobytes", range=[0, largest * 1.45]), yaxis=named_axis(),
        meta={"summary": _summary(measurement)},
    )  # fmt: skip


def _title(measurement: Measurement, dense: int) -> str:
    packed = measurement.bytes("packed")
    larger = [x.format for x in measurement.sizes if x.bytes > dense and x.format != "packed"]
    how = compared(packed, dense)
    if how == AS_LARGE:
        return f"Nothing to gain: packed, the file is as large as dense ({kilobytes(dense)})"
    title = f"The packed file is {how}: {kilobytes(packed)} instead of {kilobytes(dense)}"
    if packed < measurement.bytes("bound"):
        title += ", below the entropy of a mask without structure"
    return title + (f"; {' and '.join(larger)} would be larger than dense" if larger else "")


def _summary(measurement: Measurement) -> str:
    sizes = [f"{x.format}: {kilobytes(x.bytes)}" for x in measurement.sizes if x.format != "bound"]
    return "; ".join([*sizes, f"{INDEPENDENT}: {kilobytes(measurement.bytes('bound'))}"])


def _label(bytes: int, dense: int) -> str:
    how = compared(bytes, dense)
    return kilobytes(bytes) if how == AS_LARGE else f"{kilobytes(bytes)} · {how}"
