"""Pictures of the lessons: several seeds as thin lines, and figures side by side. Views, like ``prunelab.views``.

A single run says little about a method. So every seed is drawn, thin, and the mean over it, thick: what one sees first
is how far apart runs are that differ by nothing but chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from prunelab.results.objective import CLASSIFYING
from prunelab.views import palette
from prunelab.views.escaping import escaped, wrapped
from prunelab.views.figure import View, axis, figure, named_axis, note
from prunelab.views.line_charts import MAX_LINES, PLAIN, End, axis_around, in_percent, kept_axis, named, style

SHADE = 0.35  # opacity of a single seed
DEPTH = 40.0  # points below the best mean at which an axis of accuracy ends
FINE = 8.0  # points of such an axis up to which single digits are marked
WIDE = 18  # characters per line of a name under a column


def curves(densities: Sequence[float], lines: Mapping[str, Sequence[Sequence[float]]], title: str) -> View:
    """Accuracy (%) over kept weights (%): for each line the seeds as thin lines, their mean as a thick one.

    Args:
        densities: kept fractions, 0 to 1.
        lines: {name: for each seed the accuracies (percent) at these densities}, up to eight.
        title: the finding.

    Raises:
        ValueError: there is no line or more than eight, or a seed has not one accuracy for each density.
    """
    _check(lines, len(densities))
    x = [in_percent(density) for density in densities]
    means = {name: _mean(rows) for name, rows in lines.items()}
    best = max(max(mean) for mean in means.values())
    lowest = min(min(row) for rows in lines.values() for row in rows)
    up = axis_around(max(lowest, best - DEPTH), best, 0.06, CLASSIFYING)
    across = kept_axis("kept weights (%)", x)
    data: list[dict[str, Any]] = []
    ends = []
    for i, (name, rows) in enumerate(lines.items()):
        look = style(i)
        thin = {"color": palette.faded(look.colour, SHADE), "width": 1, "dash": look.dash}
        for seed, row in enumerate(rows):
            data.append(_line(x, row, thin, f"{escaped(name)}, seed {seed}"))
        thick = {"color": look.colour, "width": 2.5, "dash": look.dash}
        data.append(_line(x, means[name], thick, f"{escaped(name)}, mean"))
        last = means[name][-1]
        ends.append(End(name if last >= up[0] else f"↓ {last:.0f} % {name}", x[-1], last, look))
    names = named(ends, across["range"], up)
    summary = "; ".join(f"{name}: {_figures(x, mean)}" for name, mean in means.items())
    return figure(
        names["data"] + data, title, annotations=names["annotations"], xaxis=across,
        yaxis=axis("accuracy (%)", range=up, zeroline=False), margin={"l": 48, "r": names["r"], "t": 38, "b": 40},
        meta={"summary": f"Thin lines are seeds, thick ones means. {summary}."},
    )  # fmt: skip


def seeds(columns: Mapping[str, Sequence[float]], title: str, *, samples: int = 359) -> View:
    """Accuracies (%) in named columns; a thin line connects those of one seed, a bar shows each column's mean.

    Where the axis is short enough, its lines are one test sample apart.

    Args:
        columns: {name: accuracies (percent), one for each seed}.
        title: the finding.
        samples: test samples behind each accuracy.

    Raises:
        ValueError: there is no column, or they differ in their number of seeds.
    """
    names = list(columns)
    count = len(columns[names[0]]) if names else 0
    if not count or any(len(values) != count for values in columns.values()):
        raise ValueError(f"columns {', '.join(names) or 'none'}: each needs one accuracy for each seed, as many in all")
    values = [value for column in columns.values() for value in column]
    low, high = axis_around(min(values), max(values), 0.08, CLASSIFYING)
    x = list(range(len(names)))
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines+markers", "name": f"seed {seed}", "x": x,
            "y": [round(columns[name][seed], 3) for name in names],
            "line": {"color": palette.faded(palette.KEPT, SHADE), "width": 1},
            "marker": {"color": palette.KEPT, "size": 6, **PLAIN},
            "hovertemplate": f"seed {seed}: %{{y:.2f}} %<extra></extra>",
        }
        for seed in range(count)
    ]  # fmt: skip
    notes, shapes = [], []
    for i, name in enumerate(names):
        mean = math.fsum(columns[name]) / count
        line = {"color": palette.LINE, "width": 3}
        shapes.append({"type": "line", "x0": i - 0.17, "x1": i + 0.17, "y0": mean, "y1": mean, "line": line})
        notes.append(note(f"<b>{mean:.1f}</b>", i + 0.19, mean, xanchor="left"))
    ruler = axis("accuracy (%)", range=[low, high], zeroline=False)
    if high - low <= FINE:
        digit = 100 / samples
        first = math.ceil(low / digit)
        marks = [round(k * digit, 4) for k in range(first, math.floor(high / digit) + 1)]
        ruler |= {"tickvals": marks, "ticktext": [f"{y:.1f}" if i % 4 == 0 else "" for i, y in enumerate(marks)]}
    summary = "; ".join(f"{name}: {', '.join(f'{v:.1f}' for v in column)}" for name, column in columns.items())
    return figure(
        data, title, shapes=shapes, annotations=notes, yaxis=ruler,
        xaxis=axis(
            "", range=[-0.5, len(names) - 0.5], tickvals=x, ticktext=[wrapped(name, WIDE, 3) for name in names],
            showgrid=False, zeroline=False,
        ),
        margin={"l": 48, "r": 12, "t": 38, "b": 54},
        meta={"summary": f"One dot is one seed, a bar is their mean. In percent, {summary}."},
    )  # fmt: skip


def bars(values: Mapping[str, float], title: str, unit: str, *, decimals: int = 0) -> View:
    """Named figures as horizontal bars, each with its number.

    Args:
        values: {name: number}, from top to bottom.
        title: the finding.
        unit: what is counted, for the axis.
        decimals: of the numbers.
    """
    names = [wrapped(name, 30, 2) for name in values]
    texts = [f"{value:,.{decimals}f}" for value in values.values()]
    trace = {
        "type": "bar", "orientation": "h", "x": list(values.values()), "y": names, "text": texts, "name": unit,
        "marker": {"color": palette.KEPT}, "textposition": "auto", "hovertemplate": "%{y}: %{text}<extra></extra>",
    }  # fmt: skip
    summary = "; ".join(f"{name}: {text}" for name, text in zip(values, texts, strict=True))
    return figure(
        [trace], title, xaxis=axis(escaped(unit), rangemode="tozero"), yaxis=named_axis(autorange="reversed"),
        meta={"summary": f"{summary} ({unit})."},
    )  # fmt: skip


def lines(x: Sequence[float], rows: Mapping[str, Sequence[float]], title: str, *, across: str, up: str) -> View:
    """Named lines over ``x``, from 0 up. Raises ValueError as ``curves``.

    Args:
        x: ascending, above 0.
        rows: {name: one value >= 0 for each x}, up to eight.
        title: the finding.
        across: title of the x axis, with its unit.
        up: title of the y axis, with its unit.
    """
    _check({name: [row] for name, row in rows.items()}, len(x))
    limits = [0.0, 1.06 * max(value for row in rows.values() for value in row)]
    data = [
        _line(x, row, {"color": style(i).colour, "width": 2, "dash": style(i).dash}, escaped(name))
        | {"mode": "lines+markers", "marker": {"color": style(i).colour, "size": 7, "symbol": style(i).symbol}}
        for i, (name, row) in enumerate(rows.items())
    ]
    room = 0.04 * (x[-1] - x[0])
    ends = [End(name, x[-1], row[-1], style(i)) for i, (name, row) in enumerate(rows.items())]
    names = named(ends, (math.log10(x[0]), math.log10(x[-1] + room)), limits)
    summary = "; ".join(f"{name}: {_figures(x, row)}" for name, row in rows.items())
    return figure(
        names["data"] + data, title, annotations=names["annotations"],
        xaxis=axis(escaped(across), range=[x[0] - room, x[-1] + room], zeroline=False),
        yaxis=axis(escaped(up), range=limits, zeroline=False), margin={"l": 48, "r": names["r"], "t": 38, "b": 40},
        meta={"summary": f"{up} over {across}. {summary}."},
    )  # fmt: skip


def _check(lines: Mapping[str, Sequence[Sequence[float]]], points: int) -> None:
    if not 1 <= len(lines) <= MAX_LINES:
        raise ValueError(f"{len(lines)} lines: a picture shows one to {MAX_LINES}")
    for name, rows in lines.items():
        if not rows or any(len(row) != points for row in rows):
            raise ValueError(f"{name}: needs one value for each of {points} points, and at least one seed")


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]


def _line(x: Sequence[float], y: Sequence[float], look: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "x": list(x), "y": [round(value, 3) for value in y], "line": look,
        "name": name, "hovertemplate": f"{name}: %{{y:.1f}} at %{{x:g}}<extra></extra>",
    }  # fmt: skip


def _figures(x: Sequence[float], y: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f} at {at:g}" for at, value in zip(x, y, strict=True))
