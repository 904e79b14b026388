"""Draws prunelab's views (dicts for plotly.js) with matplotlib, for print.

Not a second set of plots that could drift from the first, but a small renderer for the parts that views consist of:
bars, curves, points, maps, images, lines, bands and labels on axes placed by their domains. Anything else is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox, BboxTransformTo, Transform, blended_transform_factory

from prunelab.exports.matplotlib_style import DASHES, cells, colour, marker_style, pixels, words
from prunelab.views.figure import View

FONT = 7.5  # points; readable in a printed column at arm's length
SCALE = FONT / 12  # points per pixel of the view, whose text is 12 pixels high
PAD = 0.03  # inches around everything
CM = 1 / 2.54  # inches


def draw(view: View, width: float) -> Figure:
    """A view as a figure, ``width`` cm wide and as high as its content needs; black text on white.

    Raises ValueError for a trace or shape of a type that this renderer does not know.
    """
    return _Drawing(view, width * CM).figure


class _Drawing:
    """One figure while it is drawn. Sizes are in inches; ``area`` is the unit square of plotly's paper coordinates."""

    def __init__(self, view: View, width: float) -> None:
        self.data, self.layout = view["data"], view["layout"]
        self.figure = Figure(figsize=(width, self._height(width)), facecolor="white")
        FigureCanvasAgg(self.figure)
        self.area = Bbox([[0.1, 0.1], [0.95, 0.9]])
        self.paper = BboxTransformTo(self.area) + self.figure.transFigure
        self.axes: dict[tuple[str, str], Axes] = {}
        self.labelled: dict[Text, tuple[Rectangle, str]] = {}
        for x, y in dict.fromkeys((t.get("xaxis", "x"), t.get("yaxis", "y")) for t in self.data or [{}]):
            self.axes[x, y] = self._new_axes(x, y)
        self._traces()
        for (x, y), axes in self.axes.items():
            self._dress(axes, x, y)
        for image in self.layout.get("images", ()):
            self._image(image)
        for shape in self.layout.get("shapes", ()):
            self._shape(shape)
        for note in self.layout.get("annotations", ()):
            self._annotation(note)
        if self.layout.get("showlegend"):
            self._legend()
        self._arrange()

    # Size and place

    def _height(self, width: float) -> float:
        """The height in inches at which every bar and every row of axes is readable."""
        if not self.data:  # only words: why there is nothing to show
            return 2.4 * CM
        horizontal = [t for t in self.data if t.get("orientation") == "h"]
        if horizontal:
            grouped = self.layout.get("barmode") == "group"
            bars = sum(len(t["y"]) for t in horizontal) if grouped else len({y for t in horizontal for y in t["y"]})
            return (2.6 + (0.34 if grouped else 0.52) * bars) * CM
        axes = [value for key, value in self.layout.items() if key.startswith("yaxis")]
        if any("scaleanchor" in axis for axis in axes):
            return min(width, 9 * CM)
        rows = len({tuple(axis.get("domain", (0, 1))) for axis in axes})
        return min(0.66 * width, 5.4 * CM) + 1.8 * CM * (rows - 1)

    def _new_axes(self, x: str, y: str) -> Axes:
        axes: Axes = self.figure.add_axes(self._rectangle(x, y), label=f"{x} {y}")
        axes.patch.set_visible(False)  # or it would hide bands behind it
        axes.set_axisbelow(True)
        return axes

    def _axis(self, name: str) -> dict[str, Any]:
        axis: dict[str, Any] = self.layout.get(f"{name[0]}axis{name[1:]}", {})
        return axis

    def _rectangle(self, x: str, y: str) -> tuple[float, float, float, float]:
        (left, right), (low, high) = (self._axis(name).get("domain", (0, 1)) for name in (x, y))
        a = self.area
        return a.x0 + left * a.width, a.y0 + low * a.height, (right - left) * a.width, (high - low) * a.height

    def _arrange(self) -> None:
        """Set margins that hold tick labels, axis titles and the title. Repeated, because labels move with the axes."""
        renderer: Any = self.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        width, height = self.figure.get_size_inches() * self.figure.dpi
        title = self._title(renderer, width)
        for _ in range(3):
            for (x, y), axes in self.axes.items():
                axes.set_position(self._rectangle(x, y))
            self._bar_texts(renderer)
            boxes = [box for axes in self.axes.values() if (box := axes.get_tightbbox(renderer)) is not None]
            outer = Bbox.union(boxes)
            inner = self.area.transformed(self.figure.transFigure)
            pad = PAD * self.figure.dpi
            left, below = max(inner.x0 - outer.x0, 0) + pad, max(inner.y0 - outer.y0, 0) + pad
            right = max(outer.x1 - inner.x1, 0) + pad
            above = max(outer.y1 - inner.y1, 0) + 2 * pad + title.get_window_extent(renderer).height
            self.area.set_points(np.array([[left / width, below / height], [1 - right / width, 1 - above / height]]))
        for (x, y), axes in self.axes.items():
            axes.set_position(self._rectangle(x, y))
        self._bar_texts(renderer)

    def _title(self, renderer: Any, width: float) -> Text:
        pad = PAD * self.figure.dpi / width
        text: Text = self.figure.text(
            pad, 1 - PAD / self.figure.get_size_inches()[1], "", va="top", ha="left", fontsize=FONT + 0.5, weight="bold"
        )
        lines = [""]
        for word in words(self.layout["title"]["text"]).split(" "):
            longer = f"{lines[-1]} {word}".strip()
            text.set_text(longer)
            if text.get_window_extent(renderer).width > width * (1 - 2 * pad) and lines[-1]:
                lines.append(word)
            else:
                lines[-1] = longer
        text.set_text("\n".join(lines))
        return text

    # Traces

    def _traces(self) -> None:
        bars: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for trace in self.data:
            place = trace.get("xaxis", "x"), trace.get("yaxis", "y")
            match trace["type"]:
                case "bar":
                    bars.setdefault(place, []).append(trace)
                case "scatter":
                    self._scatter(self.axes[place], trace)
                case "heatmap":
                    self._heatmap(self.axes[place], trace)
                case other:
                    raise ValueError(f"a trace of type {other!r} has no twin in print; known are bar, scatter, heatmap")
        for place, traces in bars.items():
            self._bars(self.axes[place], place, traces)

    def _bars(self, axes: Axes, place: tuple[str, str], traces: Sequence[Mapping[str, Any]]) -> None:
        mode, gap = self.layout.get("barmode", "group"), self.layout.get("bargap", 0.2)
        tops: dict[Any, float] = {}
        for i, trace in enumerate(traces):
            horizontal = trace.get("orientation") == "h"
            along, values = (trace["y"], trace["x"]) if horizontal else (trace["x"], trace["y"])
            places = np.array(self._positions(place[horizontal], along))
            step = trace.get("width", 1 - gap)
            if mode == "group" and len(traces) > 1:
                step = (1 - gap) / len(traces)
                places = places + (i - (len(traces) - 1) / 2) * step
            starts = [tops.get(key, 0.0) if mode == "stack" else 0.0 for key in along]
            tops |= {key: start + value for key, start, value in zip(along, starts, values, strict=True)}
            fill = trace["marker"]["color"]
            fills = [colour(fill)] * len(along) if isinstance(fill, str) else [colour(c) for c in fill]
            drawn = (
                axes.barh(places, values, step, left=starts, color=fills, label=trace.get("name"))
                if horizontal
                else axes.bar(places, values, step, bottom=starts, color=fills, label=trace.get("name"))
            )
            for bar, text in zip(drawn, trace.get("text", ()), strict=False):
                label = axes.text(0, 0, words(text), fontsize=FONT - 0.5, va="center_baseline", zorder=3)
                self.labelled[label] = bar, trace.get("textposition", "auto")

    def _bar_texts(self, renderer: Any) -> None:
        """Place the texts of horizontal bars: inside if they fit (and may be there), else beyond the bar's end."""
        gap = 2 * self.figure.dpi / 72
        for label, (bar, where) in self.labelled.items():
            box = bar.get_window_extent(renderer)
            fits = label.get_window_extent(renderer).width + 2 * gap <= box.width
            inside = fits and where != "outside"
            dark = float(np.dot(bar.get_facecolor()[:3], (0.299, 0.587, 0.114))) < 0.55
            label.set(ha="right" if inside else "left", color="white" if inside and dark else "black")
            assert bar.axes is not None
            end = bar.axes.transData.inverted().transform((box.x1 + (-gap if inside else gap), box.y0))[0]
            label.set_position((end, bar.get_y() + bar.get_height() / 2))

    def _scatter(self, axes: Axes, trace: Mapping[str, Any]) -> None:
        x, y = ([np.nan if v is None else v for v in trace.get(k, ())] for k in ("x", "y"))
        if not y:
            return
        mode = trace.get("mode", "lines")
        if trace.get("fill") == "toself":
            axes.fill(x, y, color=colour(trace["fillcolor"]), linewidth=0)
            return
        shown = {"alpha": trace.get("opacity"), "clip_on": trace.get("cliponaxis", True), "label": trace.get("name")}
        if "lines" in mode:
            line = trace.get("line", {})
            style = DASHES[line.get("dash", "solid")]
            ink = colour(line["color"]) if "color" in line else "black"
            axes.plot(x, y, color=ink, lw=line.get("width", 2) * SCALE, ls=style, **shown)
        if "markers" in mode:
            marker = trace.get("marker", {})
            given = marker.get("color", "#000000")
            inks = [colour(given)] * len(x) if isinstance(given, str) else [colour(c) for c in given]
            size = (np.array(marker.get("size", 6), float) * SCALE) ** 2
            symbol, hollow, edge = marker_style(marker)
            fill = {"facecolors": "none", "edgecolors": inks} if hollow else {"c": inks}
            axes.scatter(x, y, s=size, marker=symbol, linewidths=edge * SCALE, zorder=3, **fill, **shown)

    def _heatmap(self, axes: Axes, trace: Mapping[str, Any]) -> None:
        z = np.array(trace["z"], float)
        share = np.clip((z - trace["zmin"]) / (trace["zmax"] - trace["zmin"] or 1), 0, 1)
        at = [stop for stop, _ in trace["colorscale"]]
        inks = np.array([colour(c) for _, c in trace["colorscale"]])
        mixed = np.stack([np.interp(share, at, inks[:, channel]) for channel in range(4)], axis=-1)
        cells(axes, mixed, (-0.5, z.shape[1] - 0.5, z.shape[0] - 0.5, -0.5))

    def _image(self, image: Mapping[str, Any]) -> None:
        axes = self.axes[image["xref"], image["yref"]]
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        down = image["sizey"] if low > high else -image["sizey"]
        extent = (image["x"], image["x"] + image["sizex"], image["y"] + down, image["y"])
        cells(axes, pixels(image["source"]), extent)
        axes.set(xlim=(left, right), ylim=(low, high))

    # Axes

    def _positions(self, name: str, values: Sequence[Any]) -> list[float]:
        """Positions of values on an axis; categories are at 0, 1, ... in the order of the traces."""
        if self._axis(name).get("type") != "category":
            return [float(value) for value in values]
        return [float(self._categories(name).index(value)) for value in values]

    def _categories(self, name: str) -> list[str]:
        traces = [t for t in self.data if t.get(f"{name[0]}axis", name[0]) == name]
        return list(dict.fromkeys(value for t in traces for value in t[name[0]]))

    def _dress(self, axes: Axes, x: str, y: str) -> None:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set(color="0.6", linewidth=0.5)
        axes.tick_params(labelsize=FONT - 0.5, width=0.5, length=2, color="0.6", pad=2)
        for name, ruler, other in ((x, axes.xaxis, y), (y, axes.yaxis, x)):
            spec = self._axis(name)
            if not spec.get("visible", True):
                ruler.set_visible(False)
                for side in ("left",) if ruler is axes.yaxis else ("bottom",):
                    axes.spines[side].set_visible(False)
                self._limits(axes, name)
                continue
            title = words(spec.get("title", {}).get("text", ""))
            ruler.set_label_text(title, fontsize=FONT)
            ruler.labelpad = 2
            if spec.get("showgrid", True):
                ruler.grid(True, color=colour(spec["gridcolor"]) if "gridcolor" in spec else "0.85", linewidth=0.5)
            self._limits(axes, name)
            if spec.get("type") == "category":
                names = self._categories(name)
                ruler.set_ticks(range(len(names)), [words(text) for text in names])
                ruler.set_tick_params(length=0)
            elif "tickvals" in spec:
                ruler.set_ticks(spec["tickvals"], [words(str(t)) for t in spec.get("ticktext", spec["tickvals"])])
                ruler.set_minor_locator(NullLocator())
            else:
                ruler.set_major_locator(MaxNLocator(min(spec.get("nticks", 6), 6) - 1, steps=[1, 2, 5, 10]))
                ruler.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}".replace("-", "−")))
            if spec.get("anchor", other) != other:  # other axes that share it have its labels
                ruler.set_tick_params(labelbottom=False, labelleft=False)
                ruler.set_label_text("")
        if "scaleanchor" in self._axis(y):
            axes.set_aspect("equal", adjustable="box")

    def _limits(self, axes: Axes, name: str) -> None:
        spec = self._axis(name)
        read, write = (axes.get_xlim, axes.set_xlim) if name[0] == "x" else (axes.get_ylim, axes.set_ylim)
        if spec.get("type") == "log":
            (axes.set_xscale if name[0] == "x" else axes.set_yscale)("log")
            write(*(10**end for end in spec["range"]))
        elif "range" in spec:
            write(*spec["range"])
        elif spec.get("type") == "category":
            write(-0.5, len(self._categories(name)) - 0.5)
        elif spec.get("rangemode") == "tozero":
            write(0, read()[1])
        elif any(t["type"] == "bar" for t in self.data) and name[0] == "x":
            axes.margins(x=0)
        if spec.get("autorange") == "reversed":
            write(*reversed(read()))

    # Shapes and texts

    def _reference(self, reference: str, axis: str) -> Transform:
        """The transform of both coordinates for a reference ("x", "y2", "x domain", "paper")."""
        if reference == "paper":
            return self.paper
        name, _, domain = reference.partition(" ")
        axes = next(a for place, a in self.axes.items() if name in place)
        transform: Transform = axes.transAxes if domain else axes.transData
        return transform

    def _place(self, item: Mapping[str, Any]) -> tuple[Axes, Transform]:
        refs = item.get("xref", "x"), item.get("yref", "y")
        bare = [reference.partition(" ")[0] for reference in refs]
        axes = next((a for place, a in self.axes.items() if all(b in (*place, "paper") for b in bare)), None)
        chosen = axes if axes is not None else next(iter(self.axes.values()))
        return chosen, blended_transform_factory(self._reference(refs[0], "x"), self._reference(refs[1], "y"))

    def _shape(self, shape: Mapping[str, Any]) -> None:
        axes, transform = self._place(shape)
        x, y = (shape["x0"], shape["x1"]), (shape["y0"], shape["y1"])
        line = shape.get("line", {})
        below = shape.get("layer") == "below"
        if shape["type"] == "line":
            style = DASHES[line.get("dash", "solid")]
            artist: Line2D | Rectangle = Line2D(
                x, y, color=colour(line["color"]), linewidth=line.get("width", 2) * SCALE, linestyle=style
            )
        elif shape["type"] == "rect":
            artist = Rectangle((x[0], y[0]), x[1] - x[0], y[1] - y[0], linewidth=0)
            red, green, blue, alpha = colour(shape["fillcolor"])
            artist.set_facecolor((red, green, blue, alpha * shape.get("opacity", 1)))
        else:
            raise ValueError(f"a shape of type {shape['type']!r} has no twin in print; known are line and rect")
        artist.set(transform=transform, zorder=-1 if below else 2.5, in_layout=False)
        axes.add_artist(artist)
        if "paper" in (shape.get("xref", "x"), shape.get("yref", "y")):
            artist.set_clip_on(False)  # may reach over several axes

    def _annotation(self, note: Mapping[str, Any]) -> None:
        axes, transform = self._place(note)
        font = note.get("font", {})
        position = (self._positions(note.get("xref", "x"), [note["x"]])[0], note["y"])
        if isinstance(note["y"], str):
            position = (position[0], self._positions(note.get("yref", "y"), [note["y"]])[0])
        axes.annotate(
            words(note["text"]), position, xycoords=transform, textcoords="offset points",
            xytext=(note.get("xshift", 0) * SCALE, note.get("yshift", 0) * SCALE),
            ha=note.get("xanchor", "center"), va=note.get("yanchor", "middle").replace("middle", "center"),
            fontsize=font.get("size", 12) * SCALE, color=colour(font["color"]) if "color" in font else "black",
            annotation_clip=False, linespacing=1.15,
        )  # fmt: skip

    def _legend(self) -> None:
        names = [trace for trace in self.data if trace.get("name")]
        first = next(iter(self.axes.values()))
        first.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=len(names), frameon=False, fontsize=FONT - 0.5,
            borderaxespad=0.2, borderpad=0, handlelength=0.9, handleheight=0.9, columnspacing=1.0, handletextpad=0.4,
        )  # fmt: skip
