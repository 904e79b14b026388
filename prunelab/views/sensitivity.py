"""Accuracy (or another metric) with each layer cut alone (the paper's figure 6)."""

from __future__ import annotations

from typing import Any

from prunelab.formatting import layer_of, percent
from prunelab.results.objective import Objective
from prunelab.results.sensitivity import Sensitivity
from prunelab.views.escaping import escaped
from prunelab.views.figure import View, axis, empty, figure
from prunelab.views.line_charts import (
    DENSE,
    MAX_LINES,
    End,
    axis_around,
    dense_line,
    in_percent,
    kept_axis,
    named,
    style,
)
from prunelab.views.subjects import a_result


def sensitivity(result: Sensitivity | None) -> View:
    """Accuracy (%) over the kept part of one layer (%), one line per layer; of more than eight the most sensitive ones.

    Args:
        result: the scan; an incomplete one is drawn as far as it goes.

    Returns:
        The view; an empty one if there is no result yet.

    Raises:
        TypeError: it is anything else than a ``Sensitivity`` or None.
    """
    result = a_result(result, Sensitivity, "sensitivity")
    if result is None or not result.points:
        return empty("No sensitivity yet: each layer is cut alone,<br>to several densities, and accuracy is measured.")
    measured = [layer for layer in result.layers if result.of(layer)]
    chosen = set([*(x for x in measured if x not in result.ranking), *result.ranking][:MAX_LINES])
    shown = [layer for layer in measured if layer in chosen]
    data: list[dict[str, Any]] = []
    ends, parts = [], []
    objective = result.objective
    whole = objective.plotted(result.accuracy)
    for i, layer in enumerate(shown):
        look, name = style(i), layer_of(layer)
        points = result.of(layer)
        x = [100.0] + [in_percent(p.kept / p.total) for p in points]
        y = [whole] + [objective.plotted(p.accuracy) for p in points]
        texts = [f"{escaped(name)} whole: {_says(objective, result.accuracy)}"]
        for p in points:
            kept = f"{percent(p.kept / p.total)} kept ({p.kept:,} of {p.total:,})"
            texts.append(f"{escaped(name)}, {kept}: {_says(objective, p.accuracy)}")
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": escaped(name), "x": x, "y": y,
            "hovertext": texts, "hoverinfo": "text", "line": {"color": look.colour, "width": 2, "dash": look.dash},
            "marker": {"color": look.colour, "size": 7, "symbol": look.symbol}, "cliponaxis": False,
        })  # fmt: skip
        ends.append(End(name, x[-1], y[-1], look))
        if layer in result.ranking:
            parts.append(
                f"{escaped(name)} needs {_share(result.needs(layer))}, ends at {_says(objective, points[-1].accuracy)}"
            )
    low = min(min(trace["y"]) for trace in data)
    up = axis_around(low, max(max(trace["y"]) for trace in data), 0.06, objective)
    xaxis = kept_axis("kept in that layer alone (%)", [x for trace in data for x in trace["x"]])
    ends.append(End(f"whole {objective.text(result.accuracy)}", 10 ** xaxis["range"][1], whole, DENSE))
    names = named(ends, xaxis["range"], up)
    within = f"Within {_tolerance(result)} of {objective.text(result.accuracy)}: "
    return figure(
        names["data"] + data, _title(result), shapes=[dense_line(whole)], annotations=names["annotations"],
        xaxis=xaxis, yaxis=axis(escaped(objective.label), range=up, zeroline=False),
        margin={"l": 48, "r": names["r"], "t": 38, "b": 40},
        meta={"summary": within + ("; ".join(parts) or "nothing yet")},
    )  # fmt: skip


def _title(result: Sensitivity) -> str:
    ranking = result.ranking
    tail = "" if result.complete else f" ({len(result.points)} of {result.planned} measured)"
    if not ranking:
        return f"{escaped(layer_of(result.points[0].layer), 30)} alone is being cut, nothing else{tail}"
    measured = sum(1 for layer in result.layers if result.of(layer))
    tail += f" ({MAX_LINES} of {measured} layers shown)" if measured > MAX_LINES else ""
    first, last = ranking[0], ranking[-1]
    needs = result.needs(first), result.needs(last)
    names = escaped(layer_of(first), 30), escaped(layer_of(last), 30)
    within = f"to lose at most {_tolerance(result)}"
    if first == last:
        return f"{within.capitalize()} {names[0]} needs {_share(needs[0])} of its connections{tail}"
    if needs[0] == needs[1]:
        return f"{within.capitalize()} every layer needs {_share(needs[0])}; {names[0]} suffers most beyond{tail}"
    return (
        f"{names[0]} is the most sensitive: {within} it needs {_share(needs[0])}, {names[1]} {_share(needs[1])}{tail}"
    )


def _tolerance(result: Sensitivity) -> str:
    return f"{100 * result.tolerance:g} point" if result.objective.is_share else f"{result.tolerance:.3g}"


def _says(objective: Objective, value: float) -> str:
    return escaped(objective.says(value))


def _share(part: float) -> str:
    return "all" if part == 1 else percent(part)
