"""Plots that hold their figure as state: ``Plot`` draws ``dict(data=..., layout=...)`` with plotly.js.

Why not plotly's FigureWidget: it sends 5 MB of JavaScript per figure and loses changes made before the browser
attached. Here our drawing code is sent once, as the state of one ``PlotlyLibrary`` that all plots refer to, and
plotly.js with it, except where the page's server has it as a file (serve/voila_app.py). The figure is plain widget
state: a page that joins late, reloads or is opened twice shows the same picture, because that state is all there is.

Data attributes, set by plot.js for styles and tests, on the element ``.prunelab-plot[data-plot=<name>]``:
``data-state`` is "loading", "ready" or "error"; ``data-revision`` is ``figure["layout"]["meta"]["revision"]`` of the
picture on the screen (an object as JSON); ``data-paints`` counts pictures; ``data-drawn`` is "whole" for a picture that
plotly.js drew, "patched" for one that was changed in place (plot_patch.js), which plotly.js redraws once nothing moves
any more. ``data-distrust`` is set, to the reason, while plotly.js draws all pictures as a whole because its drawing
is not as plot_assumptions.js expects. A hidden plot is drawn when it becomes visible.

With a ``slider`` (of the quality) and a figure that describes its thresholds (``views.weights``), the page itself moves
lines and colours while the user moves the slider or a line (``on_drag``); the kernel's figures follow when they arrive.
``data-threshold`` is the quality that was last drawn this way; ``data-live`` is set until the kernel has answered.
"""

from __future__ import annotations

import gzip
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from prunelab.lab.widgets.batching import BatchedWidget
from prunelab.lab.widgets.shared_code import SharedCode
from prunelab.resources import PLOTLY_VERSION, SERVED_PLOTLY, joined_script, plotly_module

HERE = Path(__file__).parent


class PlotlyLibrary(SharedCode):
    """Shared by all plots: the code that draws, and plotly.js, gzipped, for pages whose server has no file of it."""

    version = traitlets.Unicode(help="of plotly.js: a page loads each version once").tag(sync=True)
    source = traitlets.Bytes(help="plotly.js as a module, gzipped; empty where the server has a file").tag(sync=True)
    wanted = traitlets.Bool(False, help="a page could not use the server's file and asks for source").tag(sync=True)

    @traitlets.default("version")
    def _our_version(self) -> str:
        return PLOTLY_VERSION

    @traitlets.default("code")
    def _our_code(self) -> str:
        return joined_script(HERE / "plot.js")

    @traitlets.default("style")
    def _our_style(self) -> str:
        return "".join((HERE / name).read_text(encoding="utf-8") for name in ("plot.css", "term_help.css"))

    @traitlets.default("source")
    def _source_at_first(self) -> bytes:
        # At once where no page has another way: a kernel that is busy with a cell might answer too late.
        return b"" if os.environ.get(SERVED_PLOTLY) == self.version else _gzipped_plotly()

    @traitlets.observe("wanted")
    def _asked_for_source(self, change: Any) -> None:
        if change.new:
            self.source = _gzipped_plotly()


def _gzipped_plotly() -> bytes:
    # Level 6: the last 0.2 % of level 9 cost another third of the time.
    return gzip.compress(plotly_module(), compresslevel=6, mtime=0)


class Plot(BatchedWidget):
    """One picture: ``Plot(figure=view, name="weights", summary="91 % of fc1 is cut")``.

    figure: ``dict(data=[...], layout={...})`` as plotly.js's cartesian bundle accepts it (no maps, nothing in 3-D).
    NumPy arrays and numbers are allowed, NaN and infinity are sent as null (a gap). To change it, assign a new dict:
    changes inside the old one are not detected.
    Without ``layout["height"]`` the CSS property ``--prunelab-plot-height`` sets the height, 300px by default.
    """

    _esm = joined_script(HERE / "plot_loader.js")

    figure = traitlets.Dict().tag(sync=True, to_json=lambda value, _: _plain(value))
    name = traitlets.Unicode(help="the element's data-plot").tag(sync=True)
    term = traitlets.Unicode(help="what a question mark beside the title explains; empty: there is none").tag(sync=True)
    about = traitlets.Unicode(help="what it says about the term").tag(sync=True)
    lesson = traitlets.Dict(help="number and title of the lesson that is about it; empty: there is none").tag(sync=True)
    summary = traitlets.Unicode(help="the picture in words, for those who do not see it").tag(sync=True)
    trouble = traitlets.Unicode(help="why there is no picture; empty when there is one").tag(sync=True)
    library = traitlets.Instance(PlotlyLibrary, help="where plotly.js comes from").tag(
        sync=True, **ipywidgets.widget_serialization
    )
    slider = traitlets.Instance(ipywidgets.Widget, allow_none=True, help="its value is the common quality").tag(
        sync=True, **ipywidgets.widget_serialization
    )
    draggable = traitlets.Bool(False, help="threshold lines can be moved by a pointer").tag(sync=True)
    dragged = traitlets.Dict(help="the last movement of a line, as the page reports it: see on_drag").tag(sync=True)
    clickable = traitlets.Bool(False, help="the page reports clicks on points: see on_click").tag(sync=True)
    visible = traitlets.Bool(True, help="whether it is on any screen; True until a page has reported")

    def __init__(self, **traits: Any) -> None:
        self._sight: dict[str, tuple[int, bool]] = {}  # by view: number of its last message, whether it is on a screen
        self._lock = threading.Lock()
        self._on_click: Callable[[int], None] | None = None
        super().__init__(**traits)
        self.on_msg(self._told)

    def on_drag(self, callback: Callable[[Drag], None]) -> None:
        """Make threshold lines movable and call ``callback`` when one is moved, at most once a frame.

        It is called on the thread on which the page's message arrives, so it should only enqueue. The page shows the
        line at the pointer until a figure with that quality arrives.
        """
        self.observe(lambda change: callback(Drag.of(change.new)), "dragged")
        self.draggable = True

    def on_click(self, callback: Callable[[int], None]) -> None:
        """Call ``callback`` with the number that a point has as its ``customdata`` when it is clicked.

        On the thread on which the page's message arrives, so it should only enqueue.
        """
        self._on_click = callback
        self.clickable = True

    def on_visible(self, callback: Callable[[bool], None]) -> None:
        """Call ``callback`` with the new ``visible`` when it changes, on any thread: it should only enqueue."""
        self.observe(lambda change: callback(change.new), "visible")

    def _told(self, _: Any, content: Any, __: Any) -> None:
        """Handle a view's report: a point was clicked; or it is on a screen (true), is not (false), or was removed
        (null).
        """
        if not isinstance(content, dict):
            return
        if type(content.get("clicked")) is int and self._on_click is not None:
            self._on_click(content["clicked"])
        if "sight" not in content:
            return
        view, number, sight = str(content["view"]), int(content["number"]), bool(content["sight"])
        with self._lock:
            if number > self._sight.get(view, (0, False))[0]:
                self._sight[view] = (number, sight)
            self.visible = any(on for _, on in self._sight.values())

    @traitlets.default("figure")
    def _empty_figure(self) -> dict[str, Any]:
        return {"data": [], "layout": {}}

    @traitlets.default("library")
    def _library(self) -> PlotlyLibrary:
        return PlotlyLibrary.shared()


@dataclass(frozen=True)
class Drag:
    """A moved threshold line: ``layer`` (parameter name) to ``quality`` (>= 0); ``final``: it was released there."""

    layer: str
    quality: float
    final: bool

    @classmethod
    def of(cls, report: dict[str, Any]) -> Drag:
        """Validate a page's report. Raises ValueError for one that our page would not send."""
        layer, quality, final = (report.get(name) for name in ("layer", "quality", "final"))
        if not isinstance(layer, str) or not isinstance(final, bool):
            raise ValueError(f"{report!r} is no movement of a line: it needs layer, quality and final")
        if not isinstance(quality, int | float) or isinstance(quality, bool):
            raise ValueError(f"quality = {quality!r} of {layer}: must be a number")
        if not math.isfinite(quality) or quality < 0:
            raise ValueError(f"quality = {quality} of {layer}: must be finite and not negative")
        return cls(layer, float(quality), final)


def _plain(value: Any) -> Any:
    """Convert a value for JSON: arrays to lists, NaN and infinity (which JSON lacks) to None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy, tensors
        return _plain(value.tolist())
    return value
