// Moves markers, and draws curves anew, in the SVG that plotly.js drew; see plot_moves.js.

import { assume, assumeNear } from "./plot_assumptions.js";
import { drawnTrace, fixedAxis, shiftOf } from "./plot_drawn.js";
import { finite, only } from "./plot_values.js";

/** @typedef {(x: number, y: number) => [number, number]} Place position in the picture, in px, of a point in units of the axes */

/** @param {import("./types").TraceChange} change */
export function movedPoints({ canvas, before, after, index, moved }) {
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
