"""Class probabilities of one sample by the dense and the pruned network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from prunelab.views import palette
from prunelab.views.escaping import escaped
from prunelab.views.figure import View, axis, empty, figure

MAX_CLASSES = 10  # more are unreadable
PREVIEW = "if cut now"


def probabilities(
    dense: Sequence[float] | None,
    pruned: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    *,
    preview: bool = False,
    before: str = "dense",
) -> View:
    """Two bars per class (%), dense and pruned; of more than ten classes the ten most likely ones.

    Args:
        dense: a probability (0 to 1) for each class by the dense network; None if there is none. All 0 in both: the
            sample is blank.
        pruned: the same by the pruned network.
        classes: names of the classes. None: their numbers.
        preview: ``pruned`` is by the network as a cut would leave it now.
        before: a word for the first network, where that is not dense.

    Returns:
        The view; an empty one if both networks are missing.

    Raises:
        ValueError: lengths differ, or a value is not a probability.
    """
    second = PREVIEW if preview else "pruned"
    given = {before: dense, second: pruned}
    rows = {name: [float(p) for p in values] for name, values in given.items() if values is not None}
    if not rows:
        return empty("Draw a digit: the dense and the pruned network<br>say here what they read.")
    blank = not any(map(any, rows.values()))
    size = len(next(iter(rows.values())))
    names = [str(i) for i in range(size)] if classes is None else [str(name) for name in classes]
    _check(rows, names)
    shown = sorted(sorted(range(size), key=lambda i: -max(row[i] for row in rows.values()))[:MAX_CLASSES])
    colours = {before: palette.DENSE, second: palette.KEPT}
    data: list[dict[str, Any]] = [
        {
            "type": "bar", "orientation": "h", "name": name, "y": list(range(len(shown))),
            "x": [round(100 * row[i], 2) for i in shown], "marker": {"color": colours[name]},
            "hovertext": [f"{name}: {escaped(names[i])} with {100 * row[i]:.1f} %" for i in shown], "hoverinfo": "text",
        }
        for name, row in rows.items()
    ]  # fmt: skip
    predicted = {name: max(range(size), key=row.__getitem__) for name, row in rows.items()}
    title = "Draw a digit: the networks say here what they read" if blank else _title(rows, names, predicted)
    title += f" ({len(shown)} of {size} classes shown)" if size > MAX_CLASSES else ""
    return figure(
        data, title, barmode="group", bargap=0.25, showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        xaxis=axis("probability (%)", range=[0, 100]),
        yaxis=axis(
            "class", automargin=True, showgrid=False, zeroline=False, range=[len(shown) - 0.5, -0.5],
            tickvals=list(range(len(shown))), ticktext=[escaped(names[i], 12) for i in shown],
        ),
        margin={"l": 48, "r": 12, "t": 58, "b": 40}, meta={"summary": _summary(rows, names, shown)},
    )  # fmt: skip


def _check(rows: dict[str, list[float]], names: list[str]) -> None:
    for name, row in rows.items():
        if not row or len(row) != len(names):
            raise ValueError(f"{name}: {len(row)} probabilities for {len(names)} classes; there must be one each")
        wrong = [p for p in row if not (math.isfinite(p) and -1e-6 <= p <= 1 + 1e-6)]
        if wrong:
            raise ValueError(f"{name}: {wrong[0]} is no probability, 0 to 1; pass scores through a softmax first")


def _title(rows: dict[str, list[float]], names: list[str], predicted: dict[str, int]) -> str:
    share = {name: f"{100 * rows[name][i]:.0f} %" for name, i in predicted.items()}
    words = {name: escaped(names[i], 30) for name, i in predicted.items()}
    if len(predicted) == 2 and len(set(predicted.values())) == 1:
        return f"both say {next(iter(words.values()))}: {', '.join(f'{name} {part}' for name, part in share.items())}"
    says = {PREVIEW: f"{PREVIEW} it says"}
    return ", ".join(f"{says.get(name, f'{name} says')} {words[name]} ({share[name]})" for name in predicted)


def _summary(rows: dict[str, list[float]], names: list[str], shown: list[int]) -> str:
    return "; ".join(
        f"{escaped(names[i])}: " + ", ".join(f"{name} {100 * row[i]:.1f} %" for name, row in rows.items())
        for i in shown
    )
