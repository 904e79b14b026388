"""The time of a batch, dense against sparse, converted and compacted, by batch size. Slower is called slower."""

from __future__ import annotations

from prunelab.formatting import latency
from prunelab.results.measurement import NETWORKS, Measurement
from prunelab.views import palette
from prunelab.views.figure import View, axis, figure, named_axis
from prunelab.views.size import unmeasured

COLOURS = {"dense": palette.DENSE, "sparse": palette.CUT, "converted": palette.KEPT, "compacted": palette.OTHER}
UNSTEADY = "unsteady: quartiles overlap, or medians and minima disagree"
ROOM = 1.8  # times the longest bar: the words beside it fit on a phone too
LONGEST = 4.0  # dense = 1: a longer bar ends here, its text says the rest


def speed(measurement: Measurement | None) -> View:
    """For each batch size one bar a network: its time as a part of dense; the time itself and the verdict beside it."""
    if measurement is None or not measurement.latencies:
        return unmeasured()
    threads = max(x.threads for x in measurement.latencies)
    batches = measurement.batches
    names = [name for name in NETWORKS if any(x.network == name for x in measurement.latencies)]
    data = []
    longest = 1.0
    for name in names:
        shares, texts, hovers = [], [], []
        for batch in batches:
            dense, own = measurement.latency("dense", batch), measurement.latency(name, batch)
            assert dense is not None and own is not None
            shares.append(round(min(own.median / dense.median, LONGEST), 4))
            texts.append(latency(own.median) + ("" if name == "dense" else f" · {verdict(measurement, name, batch)}"))
            span = f"{latency(own.low)} to {latency(own.high)}"
            hovers.append(f"{name}, batch {batch}: {latency(own.median)} ({span}), {NETWORKS[name]}")
        longest = max(longest, *shares)
        data.append({
            "type": "bar", "orientation": "h", "name": name, "x": shares, "y": [f"batch {b}" for b in batches],
            "text": texts, "textposition": "outside", "cliponaxis": False, "textfont": {"size": 11},
            "hovertext": hovers, "hoverinfo": "text",
            "marker": {"color": COLOURS[name]},
        })  # fmt: skip
    line = {"color": palette.DENSE, "width": 2, "dash": "dash"}
    dense_line = {"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": line, "layer": "below"}
    unsteady = any(measurement.verdict(name, batch) == "unsteady" for name in names for batch in batches)
    shorter = "time, dense = 1 (shorter is faster)"
    return figure(
        data, _title(measurement), barmode="group", showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        shapes=[dense_line],
        xaxis=axis(f"{shorter}<br>{UNSTEADY}" if unsteady else shorter, range=[0, longest * ROOM]),
        yaxis=named_axis(autorange="reversed"),
        margin={"l": 64, "r": 12, "t": 64, "b": 40 + 16 * unsteady},
        height=90 + 16 * unsteady + 78 * len(batches), bargap=0.16,
        meta={
            "summary": _spoken(measurement, names) + f" {measurement.machine}, {threads} threads."
            + (f" {UNSTEADY.capitalize()}." if unsteady else "")
        },
    )  # fmt: skip


def verdict(measurement: Measurement, network: str, batch: int, threads: int | None = None) -> str:
    """How a network stands against dense, in words: how many times faster or slower, or why that is not said."""
    speedup = measurement.speedup(network, batch, threads)
    found = measurement.verdict(network, batch, threads)
    if speedup is None or found is None:
        return "not measured"
    if found in ("faster", "slower"):
        return f"{max(speedup, 1 / speedup):.1f}x {found}"
    return "same as dense" if found == "even" else "unsteady: no verdict"


def _title(measurement: Measurement) -> str:
    best = {batch: measurement.fastest(batch) for batch in measurement.batches}
    name, speedup = max(best.values(), key=lambda found: found[1])
    lost = [batch for batch, (_, ratio) in best.items() if ratio == 1.0]
    unsteady = [batch for batch in lost if measurement.unsteady(batch)]
    none = [batch for batch in lost if batch not in unsteady]
    doubt = f"; unsteady at batch {_listed(unsteady)}: no verdict" if unsteady else ""
    if speedup > 1.0:
        at = next(batch for batch, found in best.items() if found == (name, speedup))
        title = f"{name.capitalize()}, the network is {speedup:.1f}x faster at batch {at}"
        return title + (f"; no gain at batch {_listed(none)}" if none else "") + doubt
    if not unsteady:
        return "Not faster anywhere: no network beats dense at any batch size"
    if none:
        return f"No network beats dense at batch {_listed(none)}{doubt}"
    return f"No verdict: the timing was unsteady at batch {_listed(unsteady)}, measure again"


def _listed(batches: list[int]) -> str:
    return ", ".join(map(str, batches))


def _spoken(measurement: Measurement, names: list[str]) -> str:
    parts = []
    for batch in measurement.batches:
        said = []
        for name in names:
            own = measurement.latency(name, batch)
            if own is not None:
                how = "" if name == "dense" else f" ({verdict(measurement, name, batch)})"
                said.append(f"{name} {latency(own.median)}{how}")
        parts.append(f"batch {batch}: " + ", ".join(said))
    return "; ".join(parts) + "."
