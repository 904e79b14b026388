"""Time per batch of the dense network against sparse, converted and compacted ones, by batch size."""

from __future__ import annotations

from prunelab.formatting import latency, times
from prunelab.results.measurement import NETWORKS, Measurement
from prunelab.views import palette
from prunelab.views.figure import View, axis, figure, named_axis
from prunelab.views.size import unmeasured
from prunelab.views.subjects import a_result

COLOURS = {"dense": palette.DENSE, "sparse": palette.CUT, "converted": palette.KEPT, "compacted": palette.OTHER}
UNSTEADY = "unsteady: quartiles overlap, or medians and minima disagree"
ROOM = 1.8  # length of the axis, in longest bars: leaves room for the text beside a bar on a phone
LONGEST = 4.0  # length at which bars are clipped, dense = 1; the text has the exact value


def speed(measurement: Measurement | None) -> View:
    """One bar per batch size and network: its time relative to dense, with the time itself and a verdict as text.

    Args:
        measurement: what was measured. None: an empty view.

    Raises:
        TypeError: it is anything else than a ``Measurement`` or None.
    """
    measurement = a_result(measurement, Measurement, "speed")
    if measurement is None or not measurement.latencies:
        return unmeasured()
    threads = measurement.threads
    batches = measurement.batches
    names = [name for name in NETWORKS if any((x.network, x.threads) == (name, threads) for x in measurement.latencies)]
    data = []
    longest = 1.0
    for name in names:
        shares, texts, hovers = [], [], []
        for batch in batches:
            dense, time = measurement.latency("dense", batch), measurement.latency(name, batch)
            assert dense is not None and time is not None
            shares.append(round(min(time.median / dense.median, LONGEST), 4))
            texts.append(latency(time.median) + ("" if name == "dense" else f" · {verdict(measurement, name, batch)}"))
            span = f"{latency(time.low)} to {latency(time.high)}"
            hovers.append(f"{name}, batch {batch}: {latency(time.median)} ({span}), {NETWORKS[name]}")
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
    machine = f"{measurement.machine}, {threads} {'thread' if threads == 1 else 'threads'}."
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
            "summary": f"{_summary(measurement, names)} {machine}"
            + (f" {UNSTEADY.capitalize()}." if unsteady else "")
        },
    )  # fmt: skip


def verdict(measurement: Measurement, network: str, batch: int, threads: int | None = None) -> str:
    """A network compared with dense, in words: how many times faster or slower, or why there is no such figure."""
    speedup = measurement.speedup(network, batch, threads)
    outcome = measurement.verdict(network, batch, threads)
    if speedup is None or outcome is None:
        return "not measured"
    if outcome in ("faster", "slower"):
        return f"{times(max(speedup, 1 / speedup))} {outcome}"
    return "same as dense" if outcome == "even" else "unsteady: no verdict"


def _title(measurement: Measurement) -> str:
    best = {batch: measurement.fastest(batch) for batch in measurement.batches}
    name, speedup = max(best.values(), key=lambda fastest: fastest[1])
    lost = [batch for batch, (_, ratio) in best.items() if ratio == 1.0]
    unsteady = [batch for batch in lost if measurement.unsteady(batch)]
    none = [batch for batch in lost if batch not in unsteady]
    doubt = f"; unsteady at batch {_listed(unsteady)}: no verdict" if unsteady else ""
    if speedup > 1.0:
        at = next(batch for batch, fastest in best.items() if fastest == (name, speedup))
        title = f"{name.capitalize()}, the network is {times(speedup)} faster at batch {at}"
        return title + (f"; no gain at batch {_listed(none)}" if none else "") + doubt
    if not unsteady:
        return "Not faster anywhere: no network beats dense at any batch size"
    if none:
        return f"No network beats dense at batch {_listed(none)}{doubt}"
    return f"No verdict: the timing was unsteady at batch {_listed(unsteady)}, measure again"


def _listed(batches: list[int]) -> str:
    return ", ".join(map(str, batches))


def _summary(measurement: Measurement, names: list[str]) -> str:
    parts = []
    for batch in measurement.batches:
        texts = []
        for name in names:
            time = measurement.latency(name, batch)
            if time is not None:
                how = "" if name == "dense" else f" ({verdict(measurement, name, batch)})"
                texts.append(f"{name} {latency(time.median)}{how}")
        parts.append(f"batch {batch}: " + ", ".join(texts))
    return "; ".join(parts) + "."
