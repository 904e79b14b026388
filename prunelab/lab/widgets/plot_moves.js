// Moves the parts of a picture in the SVG that plotly.js drew. Each function here takes a change of the figure and returns a
// function that makes it in the SVG, or null if plotly.js has to draw it. The returned functions may be called after axes have
// been renumbered.
//
// All of this relies on undocumented parts of plotly.js: plot_assumptions.js lists the versions that were checked. Before
// anything is moved, the SVG is compared with the figure that it should show; if they differ, an exception is thrown.

import { plain } from "./dom.js";
import { assume, assumeNear, drawnAxis } from "./plot_assumptions.js";
import { parseColour } from "./plot_colours.js";
import { changes, equal, finite, isList, only } from "./plot_values.js";

/**
 * plotly.js's internal object for an axis with a fixed linear range, which no data can move; null for other axes.
 * @param {import("./types").Canvas} canvas
 * @param {import("./types").Layout} layout
 * @param {string} reference "x", "y2", ...
 */
function fixedAxis(canvas, layout, reference) {
  const [, letter, number] = /^([xy])(\d*)$/.exec(reference) ?? [];
  if (!letter) return null;
  const name = `${letter}axis${number}`;
  const axis = drawnAxis(canvas, name);
  return axis?.type === "linear" && isList(layout[name]?.range) ? axis : null;
}

// ---- axes

const NUMBER_KEYS = ["range", "tickvals", "ticktext"];

/** @param {any} axis */
const hasExplicitTicks = (axis) => finite(axis?.range) && finite(axis.tickvals) && isList(axis.ticktext);

/**
 * New numbers at the same positions: only the tick labels change. null for axes without `ticktext`, whose labels plotly.js
 * computes.
 * @param {{ canvas: import("./types").Canvas, name: string, old: any, part: any }} change
 * @returns {import("./types").Change | null}
 */
export function renumbered({ canvas, name, old, part }) {
  const axis = drawnAxis(canvas, name);
  if (
    axis?.type !== "linear" ||
    !hasExplicitTicks(old) ||
    !hasExplicitTicks(part) ||
    !only(changes(old, part), NUMBER_KEYS)
  )
    return null;
  const [before, after] = [old, part].map(({ range: [from, to], tickvals }) =>
    [0, ...tickvals].map((at) => (at - from) / (to - from)),
  );
  if (before.length !== after.length || !after.every((place, i) => Math.abs(place - before[i]) < 1e-6)) return null;
  const labels = [...canvas.querySelectorAll(`.${axis._id}tick > text`)];
  const [low, high] = extent(old.range);
  const isInside = old.tickvals.every((/** @type {number} */ at) => low <= at && at <= high);
  if (isInside) assume(labels.length === old.ticktext.length, `${old.ticktext.length} labels of ${name}`);
  if (labels.length !== part.ticktext.length) return null;
  return () => {
    labels.forEach((label, i) => {
      label.textContent = part.ticktext[i];
    });
    for (const key of NUMBER_KEYS) canvas.layout[name][key] = [...part[key]];
    axis.range = [...part.range];
    axis.setScale();
  };
}

// ---- traces

/**
 * @typedef {object} TraceChange
 * @property {import("./types").Canvas} canvas
 * @property {Required<import("./types").Figure>} before what is drawn
 * @property {Required<import("./types").Figure>} after
 * @property {number} index of the trace
 * @property {string[]} moved names of its attributes that have changed
 * @property {boolean} mayHaveMoved the trace may have been moved since `before` was drawn (plot_thresholds.js)
 */

/** @type {Record<string, (change: TraceChange) => import("./types").Change | null>} */
export const TRACES = { bar: movedBars, scatter: movedPoints, heatmap: newCells };

/**
 * The element that plotly.js drew for a trace, identified by the data that d3 keeps on it; null for a hidden trace.
 * @param {import("./types").Canvas} canvas
 * @param {string} kind
 * @param {number} index
 * @returns {any}
 */
function drawnTrace(canvas, kind, index) {
  const groups = /** @type {any[]} */ ([...canvas.querySelectorAll(kind)]);
  const group = groups.find((each) => each.__data__?.[0]?.trace?.index === index);
  assume(group || canvas._fullData[index].visible !== true, `trace ${index} among ${kind}`);
  return group ?? null;
}

/** @param {TraceChange} change */
function movedBars({ canvas, before, after, index, moved, mayHaveMoved }) {
  const trace = after.data[index];
  const isHorizontal = trace.orientation === "h";
  const [place, value] = isHorizontal ? ["y", "x"] : ["x", "y"];
  const axis = fixedAxis(canvas, after.layout, trace[`${value}axis`] ?? value);
  const mode = after.layout.barmode;
  if (!axis || !["stack", "group"].includes(mode) || !finite(trace[value])) return null;
  const below = stackedBelow(after, index);
  const stack = [...below, trace];
  const isStack = stack.every(
    (other) => equal(other[place], trace[place]) && other[value].every((/** @type {number} */ size) => size >= 0),
  );
  if (!isStack || !only(moved, [value, place, "width"])) return null;
  const group = drawnTrace(canvas, ".barlayer > .trace", index);
  if (!group) return null;
  const bars = [...group.querySelectorAll(".point > path")];
  assume(bars.length === before.data[index][value].length, `the bars of trace ${index}`);
  const edges = edgesOf({ canvas, figure: after, trace, place, bars, stays: only(moved, [value]) });
  if (bars.length !== trace[value].length || !edges) return null;
  if (!mayHaveMoved) assumeBars({ canvas, before, index, place, value, bars, axis });
  return () =>
    bars.forEach((bar, i) => {
      const [from, to] = reach(below, trace, value, i).map((at) => axis.c2p(at));
      const [first, second] = edges(i);
      if (from === to) bar.setAttribute("d", "M0,0Z");
      else if (isHorizontal) bar.setAttribute("d", `M${from},${first}V${second}H${to}V${first}Z`);
      else bar.setAttribute("d", `M${first},${from}V${to}H${second}V${from}Z`);
    });
}

/**
 * The traces that the bars of a trace are stacked on.
 * @param {Required<import("./types").Figure>} figure
 * @param {number} index
 */
function stackedBelow({ data, layout }, index) {
  const isBelow = (/** @type {import("./types").Trace} */ other) =>
    layout.barmode === "stack" &&
    other.type === "bar" &&
    ["xaxis", "yaxis", "orientation"].every((name) => other[name] === data[index][name]);
  return data.slice(0, index).filter(isBelow);
}

/**
 * Start and end of bar i, in units of the axis.
 * @param {import("./types").Trace[]} below
 * @param {import("./types").Trace} trace
 * @param {string} value
 * @param {number} i
 */
function reach(below, trace, value, i) {
  const base = below.reduce((sum, other) => sum + other[value][i], 0);
  return [base, base + trace[value][i]];
}

// The path of a bar as plotly.js writes it, for either orientation: one corner, then the edges.
const BAR = /^M([^,]+),([^V]+)V([^H]+)H([^V]+)V[^Z]+Z$/;

/**
 * Throws unless the bars are where the figure `before`, which should be drawn, has them.
 * @param {{ canvas: import("./types").Canvas, before: Required<import("./types").Figure>, index: number, place: string,
 *   value: string, bars: Element[], axis: import("./types").DrawnAxis }} drawn
 */
function assumeBars({ canvas, before, index, place, value, bars, axis }) {
  const trace = before.data[index];
  const below = stackedBelow(before, index);
  const edges = edgesOf({ canvas, figure: before, trace, place, bars, stays: true });
  if (!edges || ![...below, trace].every((each) => finite(each[value]))) return;
  bars.forEach((bar, i) => {
    const [from, to] = reach(below, trace, value, i).map((at) => axis.c2p(at));
    const path = bar.getAttribute("d") ?? "";
    if (path === "M0,0Z") return; // too thin to be drawn
    const [first, second] = edges(i);
    const expected = place === "y" ? [from, first, second, to] : [first, from, to, second];
    assumeNear(BAR.exec(path)?.slice(1) ?? [], expected, `the place of bar ${i} in trace ${index}`);
  });
}

/**
 * The two edges of bar i across its length, in px, as a function of i; null if they cannot be computed.
 * @param {{ canvas: import("./types").Canvas, figure: Required<import("./types").Figure>, trace: import("./types").Trace,
 *   place: string, bars: any[], stays: boolean }} bars
 * @returns {((i: number) => number[]) | null}
 */
function edgesOf({ canvas, figure, trace, place, bars, stays }) {
  if (stays && !Number.isFinite(trace.width)) {
    const axis = drawnAxis(canvas, `${place}axis${(trace[`${place}axis`] ?? place).slice(1)}`);
    assume(
      axis && bars.every((bar) => finite([bar.parentNode.__data__?.p0, bar.parentNode.__data__?.p1])),
      "edges of bars",
    );
    return (i) => {
      const { p0, p1 } = bars[i].parentNode.__data__;
      return [p0, p1].map((at) => axis.c2p(at));
    };
  }
  const axis = fixedAxis(canvas, figure.layout, trace[`${place}axis`] ?? place);
  if (!axis || !finite(trace[place]) || !Number.isFinite(trace.width)) return null;
  // Rounded to whole pixels, as plotly.js does: no gap shows between neighbours.
  return (i) => [-1, 1].map((side) => Math.round(axis.c2p(trace[place][i] + (side * trace.width) / 2)));
}

/** @typedef {(x: number, y: number) => [number, number]} Place position in the picture, in px, of a point in units of the axes */

/** @param {TraceChange} change */
function movedPoints({ canvas, before, after, index, moved }) {
  const [old, trace] = [before.data[index], after.data[index]];
  const [x, y] = ["x", "y"].map((letter) => fixedAxis(canvas, after.layout, trace[`${letter}axis`] ?? letter));
  const show = /** @type {Record<string, typeof movedMarkers>} */ ({ markers: movedMarkers, lines: redrawnCurve })[
    trace.mode
  ];
  if (!x || !y || !show || !only(moved, ["x", "y"]) || trace.x.length !== trace.y.length) return null;
  const group = drawnTrace(canvas, ".scatterlayer > .trace", index);
  return group && show(group, old, trace, (across, up) => [x.c2p(across), y.c2p(up)]);
}

/**
 * @param {Element} group
 * @param {import("./types").Trace} old
 * @param {import("./types").Trace} trace
 * @param {Place} at
 * @returns {import("./types").Change | null}
 */
function movedMarkers(group, old, trace, at) {
  const points = [...group.querySelectorAll(".points > path.point")];
  if (![old, trace].every(({ x, y }) => finite(x) && finite(y)) || old.x.length !== trace.x.length) return null;
  assume(points.length === old.x.length, "a marker for each point");
  points.forEach((point, i) => {
    assumeNear(shiftOf(point) ?? [], at(old.x[i], old.y[i]), `the place of marker ${i}`);
  });
  return () =>
    points.forEach((point, i) => {
      point.setAttribute("transform", `translate(${at(trace.x[i], trace.y[i])})`);
    });
}

/** @type {typeof movedMarkers} */
function redrawnCurve(group, old, trace, at) {
  const paths = group.querySelectorAll(".lines > path");
  if (!finite(trace.x) || trace.fill || trace.line?.shape) return null;
  const first = old.y.findIndex(Number.isFinite);
  if (first >= 0 && finite([old.x[first], old.x[first + 1], old.y[first + 1]])) {
    assume(paths.length === 1, "one path for a curve");
    const start = /^M(-?[\d.]+),(-?[\d.]+)/.exec(paths[0].getAttribute("d") ?? "")?.slice(1) ?? [];
    assumeNear(start, at(old.x[first], old.y[first]), "where a curve begins");
  }
  if (paths.length !== 1) return null; // a single point has no path
  return () => {
    const isThere = (/** @type {number} */ i) => Number.isFinite(trace.y[i]); // else a gap
    const steps = trace.x.map((/** @type {number} */ x, /** @type {number} */ i) =>
      isThere(i) ? `${isThere(i - 1) ? "L" : "M"}${at(x, trace.y[i])}` : "",
    );
    paths[0].setAttribute("d", steps.join("") || "M0,0");
  };
}

/** @param {TraceChange} change */
function newCells({ canvas, after, index, moved }) {
  const trace = after.data[index];
  const span = trace.zmax - trace.zmin;
  const rows = /** @type {number[][]} */ (trace.z);
  const isPlain = trace.showscale === false && !trace.zsmooth && !trace.x && !trace.y && span > 0;
  if (!only(moved, ["z"]) || !isPlain || !rows.every(finite)) return null;
  const group = drawnTrace(canvas, ".heatmaplayer > .hm", index);
  if (!group) return null;
  const image = group.querySelector("image");
  const drawn = group.__data__[0];
  assume(
    image && drawn.x?.length === drawn.z?.[0].length + 1 && drawn.y?.length === drawn.z.length + 1,
    "an image of cells",
  );
  if (drawn.z.length !== rows.length || drawn.z[0].length !== rows[0].length) return null;
  const { colorscale, xaxis: x, yaxis: y } = canvas._fullData[index];
  const scale = /** @type {Step[]} */ (
    colorscale.map((/** @type {[number, string]} */ [at, colour]) => [at, parseColour(colour)])
  );
  if (scale.some(([, colour]) => !colour)) return null;
  const [across, down] = [
    [x, drawn.x],
    [y, drawn.y],
  ].map(([reference, bounds]) => {
    const axis = drawnAxis(canvas, `${reference[0]}axis${reference.slice(1)}`);
    assume(axis, "the axes of cells");
    return bounds.map((/** @type {number} */ at) => axis.c2p(at));
  });
  const [left, top, width, height] = ["x", "y", "width", "height"].map((name) => Number(image.getAttribute(name)));
  assumeNear(
    [left, left + width, top, top + height],
    [...extent(across), ...extent(down)],
    `the place of cells in trace ${index}`,
  );
  return () => {
    const cells = document.createElement("canvas");
    [cells.width, cells.height] = [width, height].map(Math.round);
    const pen = /** @type {CanvasRenderingContext2D} */ (cells.getContext("2d"));
    rows.forEach((row, i) => {
      row.forEach((z, j) => {
        pen.fillStyle = between(scale, Math.min(Math.max((z - trace.zmin) / span, 0), 1));
        const [x0, x1] = extent([across[j] - left, across[j + 1] - left]);
        const [y0, y1] = extent([down[i] - top, down[i + 1] - top]);
        const [xgap, ygap] = [trace.xgap ?? 0, trace.ygap ?? 0];
        pen.fillRect(x0 + xgap / 2, y0 + ygap / 2, x1 - x0 - xgap, y1 - y0 - ygap);
      });
    });
    setHref(image, cells.toDataURL());
  };
}

/** @param {number[]} places */
const extent = (places) => [Math.min(...places), Math.max(...places)];

/** @typedef {[share: number, colour: import("./types").Colour]} Step a step of a colour scale */

/**
 * The colour at `share` (0 to 1) of a colour scale, whose steps are in order, as a CSS colour.
 * @param {Step[]} scale
 * @param {number} share
 */
function between(scale, share) {
  const above = Math.max(
    scale.findIndex(([at]) => at >= share),
    1,
  );
  const [[from, lower], [to, upper]] = [scale[above - 1], scale[above]];
  const mixed = lower.map((part, i) => part + (upper[i] - part) * ((share - from) / (to - from)));
  return `rgba(${mixed.slice(0, 3).map(Math.round)},${mixed[3]})`;
}

/**
 * With xlink, as plotly.js does: a plain href would override every value that plotly.js sets later.
 * @param {Element} image
 * @param {string} source
 */
const setHref = (image, source) => image.setAttributeNS("http://www.w3.org/1999/xlink", "xlink:href", source);

/**
 * The x and y of an element's translation, as strings; undefined if it has none.
 * @param {Element} element
 */
const shiftOf = (element) => /^translate\(([^,]+),([^)]+)\)$/.exec(element.getAttribute("transform") ?? "")?.slice(1);

// ---- parts of the layout

/**
 * @typedef {object} PartChange
 * @property {import("./types").Canvas} canvas
 * @property {import("./types").Layout} layout
 * @property {number} index of the part in its list
 * @property {Record<string, any>} old
 * @property {Record<string, any>} part
 * @property {string[]} moved names of its attributes that have changed
 */

/** @type {Record<string, (change: PartChange) => import("./types").Change | null>} */
export const PARTS = { annotations: movedLabel, images: newImage, shapes: movedShape };

/** @param {PartChange} change */
function movedLabel({ canvas, layout, index, old, part, moved }) {
  if (!only(moved, ["text", "x", "y"])) return null;
  const label = canvas.querySelector(`.annotation[data-index="${index}"]`);
  assume(label || old.visible === false || !old.text, `annotation ${index}`);
  if (!label) return null;
  const rewrite = moved.includes("text") ? rewritten(label, old, part) : () => {};
  const shifts = ["x", "y"].map((letter) => {
    if (!moved.includes(letter)) return () => 0;
    const axis = fixedAxis(canvas, layout, part[`${letter}ref`]);
    if (!axis || !finite([old[letter], part[letter]])) return null;
    const from = axis.c2p(old[letter]); // by the axis as it is before any renumbering
    return () => axis.c2p(part[letter]) - from;
  });
  const [across, down] = shifts;
  if (!rewrite || !across || !down) return null;
  return () => {
    rewrite();
    // A label that has never been moved has no translation.
    const [x, y] = (shiftOf(label) ?? [0, 0]).map(Number);
    label.setAttribute("transform", `translate(${x + across()},${y + down()})`);
    Object.assign(canvas.layout.annotations[index], part);
  };
}

/**
 * Replaces the words of a label whose markup (bold words, line breaks) stays the same; null if the markup differs, or if the
 * text is not aligned to its anchor, so that other words would move it.
 * @param {Element} label
 * @param {Record<string, any>} old
 * @param {Record<string, any>} part
 */
function rewritten(label, old, part) {
  const tags = (/** @type {string} */ text) => String(text.match(/<[^>]*>/g));
  const words = (/** @type {string} */ text) => text.split(/<[^>]*>/).filter(Boolean);
  const anchor = part.xanchor ?? "center";
  if ((part.align ?? "center") !== anchor || tags(old.text) !== tags(part.text)) return null;
  const drawn = label.querySelector("text");
  assume(drawn, "the text of an annotation");
  const nodes = textNodes(drawn);
  const newWords = words(part.text);
  if (nodes.length !== newWords.length || words(old.text).length !== newWords.length) return null;
  return () =>
    nodes.forEach((node, i) => {
      const text = newWords[i].includes("&") ? plain(newWords[i]) : newWords[i];
      if (node.nodeValue !== text) node.nodeValue = text;
    });
}

/** @param {Element} element */
function textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) if (walker.currentNode.nodeValue) nodes.push(walker.currentNode);
  return nodes;
}

/** @param {PartChange} change */
function newImage({ canvas, index, old, part, moved }) {
  const isPlain = [old, part].every(({ source, visible }) => source.startsWith("data:") && visible !== false);
  if (!only(moved, ["source"]) || !isPlain) return null;
  const images = /** @type {any[]} */ ([...canvas.querySelectorAll(".imagelayer image")]);
  const image = images[index];
  const isComplete = images.length === canvas._fullLayout.images.length;
  assume(isComplete && image._imgSrc === old.source, `image ${index}`); // the source that plotly.js believes is drawn
  return () => {
    setHref(image, part.source);
    image._imgSrc = part.source;
    canvas.layout.images[index].source = part.source;
  };
}

const ENDS = ["x0", "y0", "x1", "y1"];

/**
 * The paths of lines and rectangles as plotly.js writes them: coordinates in the order of ENDS.
 * @type {Record<string, [written: RegExp, write: (places: (string | number)[]) => string]>}
 */
const SHAPES = {
  line: [/^M([^,]+),([^L]+)L([^,]+),(.+)$/, ([x0, y0, x1, y1]) => `M${x0},${y0}L${x1},${y1}`],
  rect: [/^M([^,]+),([^H]+)H([^V]+)V([^H]+)H/, ([x0, y0, x1, y1]) => `M${x0},${y0}H${x1}V${y1}H${x0}Z`],
};

/** @param {PartChange} change */
function movedShape({ canvas, layout, index, old, part, moved }) {
  const [written, write] = SHAPES[part.type] ?? [];
  const axisOf = (/** @type {string} */ name) => fixedAxis(canvas, layout, part[`${name[0]}ref`] ?? name[0]);
  const axes = moved.map(axisOf);
  const isKnown =
    written && old.visible !== false && only(moved, ENDS) && moved.every((name) => finite([old[name], part[name]]));
  if (!isKnown || axes.includes(null)) return null;
  const path = canvas.querySelector(`.shapelayer path[data-index="${index}"]`);
  const places = /** @type {(string | number)[]} */ (written.exec(path?.getAttribute("d") ?? "")?.slice(1) ?? []);
  /** @param {Record<string, number>} shape */
  const placesOf = (shape) =>
    moved.map((name, i) => {
      const axis = /** @type {import("./types").DrawnAxis} */ (axes[i]);
      return axis._offset + axis.c2p(shape[name]);
    });
  const drawn = moved.map((name) => places[ENDS.indexOf(name)]);
  assumeNear(drawn, placesOf(old), `the place of shape ${index}`);
  return () => {
    placesOf(part).forEach((place, i) => {
      places[ENDS.indexOf(moved[i])] = place;
    });
    /** @type {Element} */ (path).setAttribute("d", write(places));
    Object.assign(canvas.layout.shapes[index], part);
  };
}
