// Makes small changes of a picture in place, by moving elements of the SVG that plotly.js drew (plot_moves.js). plotly.js
// takes 10 to 30 ms per picture, whatever has changed in it; this takes 1 ms. Hover texts and the placement of labels are
// updated when plotly.js draws the picture again, which plot.js schedules.
//
// plot_assumptions.js lists what this relies on and the versions of plotly.js that were checked. If a drawing is different,
// an exception is thrown, and plot.js lets plotly.js draw the whole picture in an empty canvas.

import { assume } from "./plot_assumptions.js";
import { PARTS, renumbered, TRACES } from "./plot_moves.js";
import { changes, isList, isObject } from "./plot_values.js";

// Attributes that are not visible in the SVG.
const SILENT = { data: ["customdata", "hovertext"], layout: ["title", "meta"] };

const AXIS = /^([xy])axis(\d*)$/;
const LETTERS = ["x", "y"];

/**
 * The changes from one figure to another, as functions to call in order; null if plotly.js has to draw: for a kind of change
 * that is not handled here, or one that could move the axes. An axis may get new numbers at the same positions; then
 * everything placed by that axis is moved. Throws if the drawing is not as expected.
 *
 * @param {import("./types").Canvas} canvas
 * @param {import("./types").Figure} before what is drawn
 * @param {import("./types").Figure} after
 * @param {boolean} mayHaveMoved bars and labels may have been moved since `before` was drawn, and are all repositioned
 * @returns {import("./types").Change[] | null}
 */
export function patches(canvas, before, after, mayHaveMoved) {
  const { data = [], layout = {} } = after ?? {};
  if (!isList(before?.data) || !isList(data) || before.data.length !== data.length || !isObject(layout)) return null;
  assume(isObject(canvas._fullLayout) && canvas._fullData?.length === data.length, "a drawing of all traces");
  const old = before.layout ?? {};
  const names = changes(old, layout).filter((name) => !SILENT.layout.includes(name));
  const axes = names.filter((name) => AXIS.test(name));
  if (!names.every((name) => AXIS.test(name) || name in PARTS)) return null;
  const renumberedAxes = new Set(axes.map((name) => name.replace("axis", "")));
  const common = {
    canvas,
    before: { data: before.data, layout: old },
    after: { data, layout },
    renumberedAxes,
    mayHaveMoved,
  };
  const all = [
    // Axes first: everything else is placed by them.
    ...axes.map((name) => renumbered({ canvas, name, old: old[name], part: layout[name] })),
    ...data.map((_, index) => patchedTrace(common, index)),
    ...Object.keys(PARTS).flatMap((name) => patchedParts(common, name)),
  ];
  return all.some((change) => change === null) ? null : /** @type {import("./types").Change[]} */ (all);
}

const nothing = () => {};

/**
 * @typedef {object} Common
 * @property {import("./types").Canvas} canvas
 * @property {Required<import("./types").Figure>} before
 * @property {Required<import("./types").Figure>} after
 * @property {Set<string>} renumberedAxes axes that get new numbers: "x", "y2", ...
 * @property {boolean} mayHaveMoved
 */

/**
 * @param {Common} common
 * @param {number} index
 */
function patchedTrace({ canvas, before, after, renumberedAxes, mayHaveMoved }, index) {
  const trace = after.data[index];
  if (!isObject(trace)) return null;
  const names = changes(before.data[index], trace);
  const moved = new Set(names.filter((name) => !SILENT.data.includes(name)));
  if (mayHaveMoved && trace.type === "bar") moved.add(trace.orientation === "h" ? "x" : "y");
  for (const letter of LETTERS) if (renumberedAxes.has(trace[`${letter}axis`] ?? letter)) moved.add(letter);
  const show = moved.size
    ? TRACES[trace.type]?.({ canvas, before, after, index, moved: [...moved], mayHaveMoved })
    : nothing;
  if (!show) return null;
  return () => {
    show();
    for (const name of names) canvas.data[index][name] = structuredClone(trace[name]);
  };
}

/**
 * @param {Common} common
 * @param {string} name of a list in the layout
 */
function patchedParts({ canvas, before, after: { layout }, renumberedAxes, mayHaveMoved }, name) {
  const oldParts = before.layout[name] ?? [];
  const parts = /** @type {Record<string, any>[]} */ (layout[name] ?? []);
  if (oldParts.length !== parts.length) return [null];
  return parts.map((part, index) => {
    const moved = new Set(changes(oldParts[index], part));
    if (mayHaveMoved && name === "annotations") moved.add("text");
    for (const letter of LETTERS) {
      if (!renumberedAxes.has(part[`${letter}ref`] ?? letter)) continue;
      for (const end of name === "shapes" ? ["0", "1"] : [""]) moved.add(`${letter}${end}`);
    }
    return moved.size ? PARTS[name]({ canvas, layout, index, old: oldParts[index], part, moved: [...moved] }) : nothing;
  });
}
