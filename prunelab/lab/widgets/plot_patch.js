// Small changes of a picture, made in place: what is there already is moved in the SVG that plotly.js drew (plot_moves.js).
// plotly.js itself takes 10 to 30 ms for a picture, whatever has changed in it; this takes 1. What hovering tells, and the
// places of labels, follow when plotly.js draws the picture again: plot.js sees to that.
//
// What is relied upon, and the versions of plotly.js that were checked: plot_assumptions.js. Where a drawing is otherwise,
// an exception says so, and plot.js has plotly.js draw the picture as a whole, in an empty place.

import { assume } from "./plot_assumptions.js";
import { PARTS, renumbered, TRACES } from "./plot_moves.js";
import { changes, isList, isObject } from "./plot_values.js";

// What no picture shows by itself.
const SILENT = { data: ["customdata", "hovertext"], layout: ["title", "meta"] };

const AXIS = /^([xy])axis(\d*)$/;
const LETTERS = ["x", "y"];

/**
 * The changes from one figure to another, as functions to call; null where plotly.js is needed: a change of any kind that is
 * not known here, or one that could move the axes. An axis may have other numbers at the same places; then all that stands on
 * it is moved. Throws for a drawing that is not as expected.
 *
 * @param {import("./types").Canvas} canvas
 * @param {import("./types").Figure} before what is drawn
 * @param {import("./types").Figure} after
 * @param {boolean} anew bars and labels may have been moved by others since `before` was drawn, and are all put right
 * @returns {import("./types").Change[] | null}
 */
export function patches(canvas, before, after, anew) {
  const { data = [], layout = {} } = after ?? {};
  if (!isList(before?.data) || !isList(data) || before.data.length !== data.length || !isObject(layout)) return null;
  assume(isObject(canvas._fullLayout) && canvas._fullData?.length === data.length, "a drawing of all traces");
  const old = before.layout ?? {};
  const names = changes(old, layout).filter((name) => !SILENT.layout.includes(name));
  const axes = names.filter((name) => AXIS.test(name));
  if (!names.every((name) => AXIS.test(name) || name in PARTS)) return null;
  const numbered = new Set(axes.map((name) => name.replace("axis", "")));
  const common = { canvas, before: { data: before.data, layout: old }, after: { data, layout }, numbered, anew };
  const all = [
    // First, because all else stands on them.
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
 * @property {Set<string>} numbered axes that get other numbers: "x", "y2", ...
 * @property {boolean} anew
 */

/**
 * @param {Common} common
 * @param {number} index
 */
function patchedTrace({ canvas, before, after, numbered, anew }, index) {
  const trace = after.data[index];
  if (!isObject(trace)) return null;
  const names = changes(before.data[index], trace);
  const moved = new Set(names.filter((name) => !SILENT.data.includes(name)));
  if (anew && trace.type === "bar") moved.add(trace.orientation === "h" ? "x" : "y");
  for (const letter of LETTERS) if (numbered.has(trace[`${letter}axis`] ?? letter)) moved.add(letter);
  const show = moved.size ? TRACES[trace.type]?.({ canvas, before, after, index, moved: [...moved], anew }) : nothing;
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
function patchedParts({ canvas, before, after: { layout }, numbered, anew }, name) {
  const olds = before.layout[name] ?? [];
  const parts = /** @type {Record<string, any>[]} */ (layout[name] ?? []);
  if (olds.length !== parts.length) return [null];
  return parts.map((part, index) => {
    const moved = new Set(changes(olds[index], part));
    if (anew && name === "annotations") moved.add("text");
    for (const letter of LETTERS) {
      if (!numbered.has(part[`${letter}ref`] ?? letter)) continue;
      for (const end of name === "shapes" ? ["0", "1"] : [""]) moved.add(`${letter}${end}`);
    }
    return moved.size ? PARTS[name]({ canvas, layout, index, old: olds[index], part, moved: [...moved] }) : nothing;
  });
}
