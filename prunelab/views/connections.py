"""Bars of how many connections each layer keeps."""

from __future__ import annotations

from prunelab.formatting import count, percent
from prunelab.results.snapshot import Snapshot
from prunelab.views import palette
from prunelab.views.figure import View, axis, figure, if_cut, note, short
from prunelab.views.subjects import a_snapshot


def connections(snapshot: Snapshot) -> View:
    """One bar per layer: its kept and cut connections (%), with the count of kept ones as text.

    Args:
        snapshot: the network to show.
    """
    snapshot = a_snapshot(snapshot, "connections")
    layers = list(reversed(snapshot.layers))  # plotly stacks upwards: this puts the first layer on top
    names = [short(layer) for layer in layers]
    places = list(range(len(layers)))  # not the names: clipped, those of two layers may be the same
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": places,
            "x": [round(100 * share, 3) for share in shares],
            "customdata": counts,
            "hovertext": [
                f"{layer}: {number:,} {name} ({100 * share:.2f} %)"
                for layer, number, share in zip(names, counts, shares, strict=True)
            ],
            "hoverinfo": "text",
            "marker": {"color": colour},
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
            98, place, xanchor="right",
        )
        for place, layer in zip(places, layers, strict=True)
    ]  # fmt: skip
    summary = "; ".join(f"{short(x)}: {count(x.kept)} of {count(x.total)}" for x in snapshot.layers)
    return figure(
        data, _title(snapshot), barmode="stack", annotations=notes, meta={"summary": summary},
        xaxis=axis("connections (%)", range=[0, 100]),
        yaxis=axis(
            "", showgrid=False, zeroline=False, automargin=True, range=[-0.5, len(layers) - 0.5], tickvals=places,
            ticktext=names,
        ),
    )  # fmt: skip


def _title(snapshot: Snapshot) -> str:
    """The layers that keep most and least; those that the picture shows as equal count as equal."""
    layers, would = snapshot.layers, if_cut(snapshot)
    if snapshot.kept == snapshot.total:
        return f"No layer {'would lose' if would else 'has lost'} a connection"
    shares = {layer.name: percent(layer.density) for layer in layers}
    if len(layers) == 1:
        return f"{short(layers[0])} {'would keep' if would else 'keeps'} {shares[layers[0].name]}"
    if len(set(shares.values())) == 1:
        return f"Every layer {'would keep' if would else 'keeps'} {shares[layers[0].name]}"
    most, least = max(layers, key=lambda x: x.density), min(layers, key=lambda x: x.density)
    names, end = (
        [short(layer) for layer in layers if shares[layer.name] == shares[extreme.name]] for extreme in (most, least)
    )
    verb = "would keep" if would else "keeps" if len(names) == 1 else "keep"
    return f"{_listed(names)} {verb} {shares[most.name]}, {_listed(end)} only {shares[least.name]}"


def _listed(names: list[str]) -> str:
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} layers"
