// Moves stacked or grouped bars in the SVG that plotly.js drew; see plot_moves.js.

import { assume, assumeNear, drawnAxis } from "./plot_assumptions.js";
import { drawnTrace, fixedAxis } from "./plot_drawn.js";
import { equal, finite, only } from "./plot_values.js";

/** @param {import("./types").TraceChange} change */
export function movedBars({ canvas, before, after, index, moved, mayHaveMoved }) {
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
