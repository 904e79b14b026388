"""What the dense and the pruned network make of one sample, class by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from prunelab.views import palette
from prunelab.views.escaping import escaped
from prunelab.views.figure import View, axis, empty, figure

MOST = 10  # classes that stay readable


def probabilities(
    dense: Sequence[float] | None, pruned: Sequence[float] | None = None, classes: Sequence[str] | None = None
) -> View:
    """Two bars a class (%): dense and pruned. Either may be missing; without both there is nothing to show yet.

    dense, pruned: a probability (0 to 1) for each class. classes: their names, else their numbers. Of more than ten
    classes the ten likeliest are shown. All of them 0: nothing is drawn yet. Raises ValueError for lengths that differ
    and for what is no probability.
    """
    given = {"dense": dense, "pruned": pruned}
    rows = {name: [float(p) for p in values] for name, values in given.items() if values is not None}
    if not rows:
        return empty("Draw a digit: the dense and the pruned network<br>say here what they read.")
    blank = not any(map(any, rows.values()))
    size = len(next(iter(rows.values())))
    names = [str(i) for i in range(size)] if classes is None else [str(name) for name in classes]
    _check(rows, names)
    shown = sorted(sorted(range(size), key=lambda i: -max(row[i] for row in rows.values()))[:MOST])
    colours = {"dense": palette.DENSE, "pruned": palette.KEPT}
    data: list[dict[str, Any]] = [
        {
            "type": "bar", "orientation": "h", "name": name, "y": list(range(len(shown))),
            "x": [round(100 * row[i], 2) for i in shown], "marker": {"color": colours[name]},
            "hovertext": [f"{name}: {escaped(names[i])} with {100 * row[i]:.1f} %" for i in shown], "hoverinfo": "text",
        }
        for name, row in rows.items()
    ]  # fmt: skip
    says = {name: max(range(size), key=row.__getitem__) for name, row in rows.items()}
    title = "Draw a digit: the networks say here what they read" if blank else _title(rows, names, says)
    title += f" ({len(shown)} of {size} classes shown)" if size > MOST else ""
    return figure(
        data, title, barmode="group", bargap=0.25, showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        xaxis=axis("probability (%)", range=[0, 100]),
        yaxis=axis(
            "class", automargin=True, showgrid=False, zeroline=False, range=[len(shown) - 0.5, -0.5],
            tickvals=list(range(len(shown))), ticktext=[escaped(names[i], 12) for i in shown],
        ),
        margin={"l": 48, "r": 12, "t": 58, "b": 40}, meta={"summary": _spoken(rows, names, shown)},
    )  # fmt: skip


def _check(rows: dict[str, list[float]], names: list[str]) -> None:
    for name, row in rows.items():
        if not row or len(row) != len(names):
            raise ValueError(f"{name}: {len(row)} probabilities for {len(names)} classes; there must be one each")
        wrong = [p for p in row if not (math.isfinite(p) and -1e-6 <= p <= 1 + 1e-6)]
        if wrong:
            raise ValueError(f"{name}: {wrong[0]} is no probability, 0 to 1; pass scores through a softmax first")


def _title(rows: dict[str, list[float]], names: list[str], says: dict[str, int]) -> str:
    sure = {name: f"{100 * rows[name][i]:.0f} %" for name, i in says.items()}
    words = {name: escaped(names[i], 30) for name, i in says.items()}
    if len(says) == 2 and says["dense"] == says["pruned"]:
        return f"both say {words['dense']}: dense {sure['dense']}, pruned {sure['pruned']}"
    return ", ".join(f"{name} says {words[name]} ({sure[name]})" for name in says)


def _spoken(rows: dict[str, list[float]], names: list[str], shown: list[int]) -> str:
    return "; ".join(
        f"{escaped(names[i])}: " + ", ".join(f"{name} {100 * row[i]:.1f} %" for name, row in rows.items())
        for i in shown
    )
