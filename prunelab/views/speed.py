"""Speed: the time of a batch, dense against sparse, converted and compacted, by batch size. Slower is called slower."""

from __future__ import annotations

from prunelab.measurement import NETWORKS, Measurement
from prunelab.views import palette
from prunelab.views.base import View, axis, figure, named_axis
from prunelab.views.size import unmeasured

COLOURS = {"dense": palette.DENSE, "sparse": palette.CUT, "converted": palette.KEPT, "compacted": palette.OTHER}
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
            speedup = measurement.speedup(name, batch)
            assert dense is not None and own is not None and speedup is not None
            shares.append(round(min(own.median / dense.median, LONGEST), 4))
            texts.append(duration(own.median) + ("" if name == "dense" else f" · {verdict(speedup)}"))
            span = f"{duration(own.low)} to {duration(own.high)}"
            hovers.append(f"{name}, batch {batch}: {duration(own.median)} ({span}), {NETWORKS[name]}")
        longest = max(longest, *shares)
        data.append({
            "type": "bar", "orientation": "h", "name": name, "x": shares, "y": [f"batch {b}" for b in batches],
            "text": texts, "textposition": "outside", "cliponaxis": False, "textfont": {"size": 11},
            "hovertext": hovers, "hoverinfo": "text",
            "marker": {"color": COLOURS[name]},
        })  # fmt: skip
    line = {"color": palette.DENSE, "width": 2, "dash": "dash"}
    return figure(
        data, _title(measurement), barmode="group", showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        shapes=[{"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": line}],
        xaxis=axis("time, dense = 1 (shorter is faster)", range=[0, longest * 1.5]),
        yaxis=named_axis(autorange="reversed"),
        margin={"l": 64, "r": 12, "t": 64, "b": 40}, height=90 + 78 * len(batches), bargap=0.16,
        meta={"summary": _spoken(measurement, names) + f" {measurement.machine}, {threads} threads."},
    )  # fmt: skip


def verdict(speedup: float) -> str:
    """A speedup in words: how many times faster or slower than dense, or the same."""
    if speedup > 1:
        return f"{speedup:.1f}x faster"
    return f"{1 / speedup:.1f}x slower" if speedup < 1 else "same as dense"


def duration(seconds: float) -> str:
    """Seconds in a unit that fits."""
    return f"{1e6 * seconds:,.0f} µs" if seconds < 1e-3 else f"{1e3 * seconds:,.1f} ms"


def _title(measurement: Measurement) -> str:
    best = {batch: measurement.fastest(batch) for batch in measurement.batches}
    name, speedup = max(best.values(), key=lambda found: found[1])
    if speedup == 1.0:
        return "Not faster anywhere: no network beats dense at any batch size"
    at = next(batch for batch, found in best.items() if found == (name, speedup))
    title = f"{name.capitalize()}, the network is {speedup:.1f}x faster at batch {at}"
    lost = [str(batch) for batch, (_, ratio) in best.items() if ratio == 1.0]
    return title + (f"; no gain at batch {', '.join(lost)}" if lost else "")


def _spoken(measurement: Measurement, names: list[str]) -> str:
    parts = []
    for batch in measurement.batches:
        times = [(name, measurement.latency(name, batch)) for name in names]
        parts.append(f"batch {batch}: " + ", ".join(f"{name} {duration(t.median)}" for name, t in times if t))
    return "; ".join(parts) + "."
