"""Shows views in a notebook: live where a kernel runs, and as a drawing with words everywhere else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ipywidgets as w
from IPython.display import display

from prunelab import views
from prunelab.exports.figures import inline_svg
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.plot import Plot
from prunelab.views.figure import View

WIDGET = "application/vnd.jupyter.widget-view+json"
SVG = "image/svg+xml"
STEPS = 60  # at least so many on a slider, over its range

Draw = Callable[[float], View]


def show(
    view: View | Draw,
    *,
    over: tuple[float, float] | None = None,
    start: float | None = None,
    label: str = "value",
    logarithmic: bool = False,
) -> None:
    """Show a view below the cell, as one output that reads well in every place.

    JupyterLab and VS Code show the lab's own plot; GitHub, rendered pages and paper an SVG drawing with a text
    alternative; a terminal the words alone.

    With ``over``, a slider stands above the picture, and the view is a function of its number:
    ``pl.show(lambda quality: pl.views.weights(session.preview(quality)), over=(0, 3), start=1.5, label="quality")``.
    The drawing shows it at ``start``.

    Args:
        view: any view of ``pl.views``; with ``over``, a function from the slider's number to one. It is called while
            the slider moves, so it should take no longer than 0.1 s or so.
        over: lowest and highest number of the slider. None: there is no slider.
        start: number that the slider begins at. None: the lowest.
        label: name of the slider's number.
        logarithmic: equal ratios are equally long on the slider, which needs a lowest number above 0.

    Raises:
        TypeError: ``view`` is no view, or no function though there is a slider.
        ValueError: ``over`` is no range, or ``start`` is outside it.
    """
    if over is None:
        first = _checked(view)
        _display(_plot(first), first)
        return
    if not callable(view):
        raise TypeError(f"over = {over!r} asks for a slider, and view is {type(view).__name__}: give a function of it")
    slider = _slider(over, start, label, logarithmic)
    first = _checked(view(slider.value))
    plot = _plot(first)
    slider.observe(lambda change: _draw_again(plot, view, change.new), "value")
    _display(w.VBox([slider, plot]), first)


def _checked(view: Any) -> View:
    if isinstance(view, dict) and {"data", "layout"} <= view.keys():
        return view
    hint = "; over=(lowest, highest) gives it a slider" if callable(view) else ", as functions of pl.views return them"
    raise TypeError(f"view is {type(view).__name__}: it must be a dict of data and layout{hint}")


def _slider(over: tuple[float, float], start: float | None, label: str, logarithmic: bool) -> NumberField:
    low, high = over
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"over = {over!r}: must be two numbers, the lower one first")
    if logarithmic and low <= 0:
        raise ValueError(f"over = {over!r}: a logarithmic slider begins above 0")
    value = low if start is None else start
    if not low <= value <= high:
        raise ValueError(f"start = {start!r}: must be within over = {over!r}")
    return NumberField(
        value=float(value), low=low, high=high, min=low, max=high, logarithmic=logarithmic, description=label,
        step=10.0 ** math.floor(math.log10((high - low) / STEPS)),
    )  # fmt: skip


def _plot(view: View) -> Plot:
    return Plot(figure=view, summary=views.summary(view))


def _draw_again(plot: Plot, draw: Draw, value: float) -> None:
    """Show the view at another number; if there is none, say why in its place."""
    try:
        view = _checked(draw(value))
    except Exception as error:  # nobody would see it: it is raised on the thread of the page's message
        plot.trouble = f"This picture could not be made: {error}"
        return
    with plot.hold_sync():  # one message
        plot.trouble = ""
        plot.summary = views.summary(view)
        plot.figure = view


def _display(widget: w.DOMWidget, view: View) -> None:
    """One output in several MIME types: each place shows the richest that it knows."""
    summary = views.summary(view)
    reference = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    data = {WIDGET: reference, SVG: inline_svg(view), "text/plain": summary}
    display(data, metadata={SVG: {"alt": summary}}, raw=True)  # type: ignore[no-untyped-call]
