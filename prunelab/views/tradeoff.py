"""The trade-off curve: what each share of kept connections costs, retrained or not (the paper's figure 5)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from prunelab.formatting import percent
from prunelab.results.objective import Objective
from prunelab.results.tradeoff import Mean, Tradeoff, line_named
from prunelab.views import palette
from prunelab.views.escaping import escaped
from prunelab.views.figure import View, axis, empty, figure
from prunelab.views.line_charts import DENSE, End, Style, dense_line, in_percent, kept_axis, named
from prunelab.views.subjects import a_result

DEPTH = 10.0  # points below the dense network at which the picture ends: what is lost beyond is beyond repair
HEADROOM = 0.8  # points above it: some networks gain a little
LEAST = 1e-12  # share that stands for none at all where logarithms are taken
LONGEST_NAME = 18  # characters of a line's name
# By line: one colour for a penalty, broken where nothing is retrained; the control in grey.
STYLES = {
    "L2 only cut": Style(palette.KEPT, "longdash", "square"),
    "L1 only cut": Style(palette.OTHER, "longdash", "diamond"),
    "L1 retrained": Style(palette.OTHER, "solid", "triangle-up"),
    "L2 retrained": Style(palette.KEPT, "solid", "circle"),
    "L2 iterative": Style(palette.LINE, "solid", "star"),
    "random retrained": Style(palette.QUIET, "solid", "x"),
}
GAUSSIAN = Style(palette.LINE, "dash", "line-ew")


def tradeoff(result: Tradeoff | None) -> View:
    """Change of accuracy against the dense network (points) over kept connections (%), one line for each way to them.

    Points are means over the seeds; bands go from the seed that lost least to the one that lost most. A dashed line
    stands where one of the lines would be if its layers' weights were Gaussian: as many connections as those would keep
    at the same thresholds. The grey stripe is one test sample up and down. ``customdata`` of each point is the index of
    its first seed's in ``result.points``.

    Args:
        result: the curve; an incomplete one is drawn as far as it goes.

    Returns:
        The view; an empty one if there is no point yet.

    Raises:
        TypeError: it is anything else than a ``Tradeoff`` or None.
    """
    result = a_result(result, Tradeoff, "tradeoff")
    if result is None or not result.points:
        return empty("No curve yet: networks are cut to several densities,<br>with and without retraining.")
    objective = result.objective
    means = {name: result.means(name) for name in result.lines}
    means = {name: points for name, points in means.items() if points}
    low, high = _range(list(means.values()), result)
    traces: list[dict[str, Any]] = []
    ends = []
    for name, points in means.items():
        traces += [_band(points, STYLES[name], objective)] if len(result.seeds) > 1 else []
        traces.append(_line(name, points, result))
        ends.append(_end(name, [(100 * p.density, -objective.points * p.lost) for p in points], low, STYLES[name]))
    drawn = [100 * mean.density for points in means.values() for mean in points]
    # Planned points, too: an axis that moves with every new point is hard to follow.
    xaxis = kept_axis("kept connections (%)", [*drawn, *(100 * density for density in result.densities)])
    expected = _expected(result.lines, means, xaxis["range"][1])
    if expected:
        name, pairs = expected
        places = [(100 * share, -objective.points * lost) for share, lost in pairs]
        traces.append(_gaussian(name, places))
        ends.append(_end("if Gaussian", places, low, GAUSSIAN))
    ends.append(End("dense", 10 ** xaxis["range"][1], 0.0, DENSE))
    names = named(ends, xaxis["range"], (low, high), LONGEST_NAME)
    grain = objective.points * result.grain
    shapes = [
        dense_line(0.0),
        {
            "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": -grain, "y1": grain, "layer": "below",
            "line": {"width": 0}, "fillcolor": palette.faded(palette.QUIET, 0.2),
        },
    ]  # fmt: skip
    label = f"{escaped(objective.metric)}, change {'(points)' if objective.is_share else 'against dense'}"
    return figure(
        names["data"] + traces, _title(result), shapes=shapes if objective.metric == "accuracy" else shapes[:1],
        annotations=names["annotations"], xaxis=xaxis, yaxis=axis(label, range=[low, high], zeroline=False),
        margin={"l": 48, "r": names["r"], "t": 38, "b": 40}, meta={"summary": _summary(result, means)},
    )  # fmt: skip


def _line(name: str, points: Sequence[Mean], result: Tradeoff) -> dict[str, Any]:
    look, objective = STYLES[name], result.objective
    return {
        "type": "scatter", "mode": "lines+markers", "name": name,
        "x": [in_percent(p.density) for p in points], "y": [_level(p.lost, objective) for p in points],
        "hovertext": [_hover(name, p, objective) for p in points], "hoverinfo": "text",
        "customdata": [result.points.index(p.points[0]) for p in points],
        "line": {"color": look.colour, "width": 2, "dash": look.dash},
        "marker": {"color": look.colour, "size": 8, "symbol": look.symbol},
    }  # fmt: skip


def _hover(name: str, mean: Mean, objective: Objective) -> str:
    """A point in words: where it is, what it lost and, with several seeds, from how little to how much."""
    seeds = len(mean.points)
    text = f"{name}, {percent(mean.density)} kept: {_change(mean.lost, mean.dense, objective)}"
    if seeds > 1:
        most, least = (_change(lost, mean.dense, objective) for lost in (mean.most, mean.least))
        text += f", mean of {seeds} seeds ({most} to {least})"
    if mean.gaussian is not None:
        text += f"<br>Gaussian layers would keep {percent(mean.gaussian)} at these thresholds"
    return text


def _band(points: Sequence[Mean], look: Style, objective: Objective) -> dict[str, Any]:
    """From the least to the most that the seeds lost."""
    across = [in_percent(p.density) for p in points]
    top, bottom = ([_level(getattr(p, side), objective) for p in points] for side in ("least", "most"))
    return {
        "type": "scatter", "mode": "lines", "x": across + across[::-1], "y": top + bottom[::-1], "fill": "toself",
        "fillcolor": palette.faded(look.colour, 0.18), "line": {"width": 0, "color": palette.CLEAR},
        "hoverinfo": "skip",
    }  # fmt: skip


def _gaussian(name: str, places: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines",
        "x": [round(x, 4) for x, _ in places], "y": [round(y, 4) for _, y in places],
        "line": {"color": GAUSSIAN.colour, "width": 1.2, "dash": GAUSSIAN.dash}, "hoverinfo": "text",
        "hovertext": f"where {name} would be if its layers' weights were Gaussian",
    }  # fmt: skip


def _expected(
    lines: Sequence[str], means: dict[str, tuple[Mean, ...]], right: float
) -> tuple[str, list[tuple[float, float]]] | None:
    """(name of the line, (share that Gaussian layers would keep, loss) by point) of the line for which this is drawn.

    Of the line that is cut and retrained again and again; of another one that is retrained, if that is not planned.
    right: end of the axis of shares, as a power of ten of percents; the line ends there.
    """
    order = sorted(lines, key=lambda name: (not line_named(name).iterative, not line_named(name).retrained))
    known = [(mean.gaussian, mean.lost) for mean in means.get(order[0], ()) if mean.gaussian is not None]
    places = _until(known, 10**right / 100)
    return (order[0], places) if line_named(order[0]).retrained and len(places) > 1 else None


def _until(places: Sequence[tuple[float, float]], least: float) -> list[tuple[float, float]]:
    """Places of descending shares, up to where the line through them reaches the share ``least``."""
    inside = [place for place in places if place[0] >= least]
    if len(inside) == len(places) or not inside:
        return inside
    (share, lost), (beyond, more) = inside[-1], places[len(inside)]
    part = math.log(share / least) / math.log(share / max(beyond, LEAST))
    return [*inside, (least, lost + part * (more - lost))]


def _end(name: str, places: Sequence[tuple[float, float]], low: float, look: Style) -> End:
    """Where a line ends, or where it leaves the picture at the bottom."""
    for (x, y), (far, deep) in itertools.pairwise(places):
        if y >= low > deep:
            return End(f"↓ {name}", x * (far / x) ** ((y - low) / (y - deep)), low, look)
    x, y = places[-1]
    return End(name if y >= low else f"↓ {name}", x, y, look)


def _range(lines: Sequence[Sequence[Mean]], result: Tradeoff) -> tuple[float, float]:
    """Range of the axis of changes; while the curve is drawn, down to where it may come."""
    objective = result.objective
    changes = [-objective.points * lost for line in lines for p in line for lost in (p.lost, p.least, p.most)]
    point = objective.points * objective.scale(*(p.accuracy for p in result.points)) / 100
    low = (max(min(changes), -DEPTH * point) if result.complete else -DEPTH * point) - 0.4 * point
    return float(f"{low:.6g}"), float(f"{max(HEADROOM * point, max(changes) + 0.4 * point):.6g}")


def _level(lost: float, objective: Objective) -> float:
    """A loss on the axis of changes."""
    return float(f"{-objective.points * lost:.6g}") + 0.0  # no -0.0


def _change(lost: float, dense: float, objective: Objective) -> str:
    """A loss against ``dense`` in words."""
    if objective.is_no_gap(lost, dense):
        return "nothing lost"
    return f"{objective.gap(lost)} {'lost' if lost > 0 else 'gained'}"


def _title(result: Tradeoff) -> str:
    """The finding: how few connections are enough with retraining, and how few without."""
    tail = "" if result.complete else f" ({len(result.points)} of {result.planned} points)"
    within = f"keep the {escaped(result.objective.metric)} within {result.objective.gap(result.tolerance)}"
    enough = {name: result.needs(name) for name in result.lines if not line_named(name).random}
    retrained = _fewest(enough, retrained=True)
    only_cut = _fewest(enough, retrained=False)
    if retrained and only_cut:
        if retrained[1] < only_cut[1]:
            few, more = percent(retrained[1]), percent(only_cut[1])
            return f"With retraining {few} of the connections {within}, without it takes {more}{tail}"
        return f"{percent(only_cut[1])} of the connections {within}, even without retraining{tail}"
    best = retrained or only_cut
    if best:
        return f"{best[0]}: {percent(best[1])} of the connections {within}{tail}"
    most = max(mean.density for name in result.lines for mean in result.means(name))
    return f"Not even {percent(most)} of the connections {within}{tail}"


def _fewest(enough: dict[str, float | None], *, retrained: bool) -> tuple[str, float] | None:
    """(line, share) of the fewest connections that are enough on the lines with or without retraining; None if none."""
    found = [(share, name) for name, share in enough.items() if share and line_named(name).retrained == retrained]
    if not found:
        return None
    share, name = min(found, key=lambda pair: pair[0])
    return name, share


def _summary(result: Tradeoff, means: dict[str, tuple[Mean, ...]]) -> str:
    objective = result.objective
    parts, lost = [], objective.gap(result.tolerance)
    for name, points in means.items():
        enough, last = result.needs(name), points[-1]
        keeps = "" if enough is None else f" at most {lost} lost down to {percent(enough)} kept,"
        parts.append(f"{name}:{keeps} {_change(last.lost, last.dense, objective)} at {percent(last.density)}")
    text = "; ".join(parts) + "."
    seeds = {point.recipe.seed for point in result.points}
    if len(seeds) > 1:
        text += f" Means of {len(seeds)} seeds, bands from the least to the most that one lost."
    if objective.metric == "accuracy":
        text += f" One of the {result.samples:,} test samples is {100 * result.grain:.2f} points."
    expected = _expected(result.lines, means, -math.inf)
    if expected:
        last = means[expected[0]][-1]
        assert last.gaussian is not None
        text += f" At the thresholds of its last cut Gaussian layers would keep {percent(last.gaussian)}, "
        text += f"{expected[0]} keeps {percent(last.density)}"
        moved = line_named(expected[0]).iterative and last.density > last.gaussian
        text += ": retraining has moved survivors away from zero, beyond the threshold." if moved else "."
    if result.failed:
        runs = "1 run diverged and is" if len(result.failed) == 1 else f"{len(result.failed)} runs diverged and are"
        text += f" {runs} missing."
    return text
