// Moves the parts of a picture in the SVG that plotly.js drew: by kind of trace (TRACES) and of part (PARTS), and the numbers of
// axes. Each function takes a change of the figure and returns a function that makes it in the SVG, or null if plotly.js has to
// draw it. The returned functions may be called after axes have been renumbered.
//
// All of this relies on undocumented parts of plotly.js: plot_assumptions.js lists the versions that were checked. Before
// anything is moved, the SVG is compared with the figure that it should show; if they differ, an exception is thrown.

import { assume, drawnAxis } from "./plot_assumptions.js";
import { movedBars } from "./plot_bars.js";
import { extent } from "./plot_drawn.js";
import { newCells } from "./plot_heatmap.js";
import { movedLabel, movedShape, newImage } from "./plot_parts.js";
import { movedPoints } from "./plot_points.js";
import { changes, finite, isList, only } from "./plot_values.js";

/** @type {Record<string, (change: import("./types").TraceChange) => import("./types").Change | null>} */
export const TRACES = { bar: movedBars, scatter: movedPoints, heatmap: newCells };

/** @type {Record<string, (change: import("./types").PartChange) => import("./types").Change | null>} */
export const PARTS = { annotations: movedLabel, images: newImage, shapes: movedShape };

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
