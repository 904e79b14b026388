// Colours the cells of a heatmap anew in the image that plotly.js drew; see plot_moves.js.

import { assume, assumeNear, drawnAxis } from "./plot_assumptions.js";
import { parseColour } from "./plot_colours.js";
import { drawnTrace, extent, setHref } from "./plot_drawn.js";
import { finite, only } from "./plot_values.js";

/** @param {import("./types").TraceChange} change */
export function newCells({ canvas, after, index, moved }) {
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
