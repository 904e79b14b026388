"""Bars of how many connections each layer keeps."""

from __future__ import annotations

from prunelab.formatting import count, percent
from prunelab.results.snapshot import Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, figure, if_cut, named_axis, note, short


def connections(snapshot: Snapshot) -> View:
    """One bar per layer: its kept and cut connections (%), with the count of kept ones as text.

    Args:
        snapshot: the network to show.
    """
    layers = list(reversed(snapshot.layers))  # plotly stacks upwards: this puts the first layer on top
    names = [short(layer) for layer in layers]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": names,
            "x": [round(100 * share, 3) for share in shares],
            "customdata": counts,
            "marker": {"color": colour},
            "hovertemplate": f"%{{y}}: %{{customdata:,}} {name} (%{{x:.2f}} %)<extra></extra>",
        }
        for name, colour, shares, counts in (
            ("kept", palette.KEPT, [x.density for x in layers], [x.kept for x in layers]),
            (
                "cut",
                palette.faded(palette.CUT, 0.45),
                [1 - x.density for x in layers],
                [x.total - x.kept for x in layers],
            ),
        )
    ]
    notes = [
        note(
            f"{percent(layer.density)} · {count(layer.kept)}" + (" (strongest spared)" if layer.spared else ""),
            98, name, xanchor="right",
        )
        for layer, name in zip(layers, names, strict=True)
    ]  # fmt: skip
    verb = "would keep" if if_cut(snapshot) else "keeps"
    most, least = max(layers, key=lambda x: x.density), min(layers, key=lambda x: x.density)
    if snapshot.kept == snapshot.total:
        title = f"No layer {'would lose' if if_cut(snapshot) else 'has lost'} a connection"
    elif most is least or most.density == least.density:
        title = f"{short(most)} {verb} {percent(most.density)}"
    else:
        title = f"{short(most)} {verb} most ({percent(most.density)}), {short(least)} least ({percent(least.density)})"
    summary = "; ".join(f"{short(x)}: {count(x.kept)} of {count(x.total)}" for x in snapshot.layers)
    return figure(
        data, title, barmode="stack", annotations=notes, meta={"summary": summary},
        xaxis=axis("connections (%)", range=[0, 100]), yaxis=named_axis(),
    )  # fmt: skip
