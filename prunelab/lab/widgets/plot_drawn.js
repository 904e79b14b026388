// What plotly.js drew of a figure, and how it wrote it: shared by what moves bars, points, cells, labels and shapes.

import { assume, drawnAxis } from "./plot_assumptions.js";
import { isList } from "./plot_values.js";

/**
 * plotly.js's internal object for an axis with a fixed linear range, which no data can move; null for other axes.
 * @param {import("./types").Canvas} canvas
 * @param {import("./types").Layout} layout
 * @param {string} reference "x", "y2", ...
 */
export function fixedAxis(canvas, layout, reference) {
  const [, letter, number] = /^([xy])(\d*)$/.exec(reference) ?? [];
  if (!letter) return null;
  const name = `${letter}axis${number}`;
  const axis = drawnAxis(canvas, name);
  return axis?.type === "linear" && isList(layout[name]?.range) ? axis : null;
}

/**
 * The element that plotly.js drew for a trace, identified by the data that d3 keeps on it; null for a hidden trace.
 * @param {import("./types").Canvas} canvas
 * @param {string} kind
 * @param {number} index
 * @returns {any}
 */
export function drawnTrace(canvas, kind, index) {
  const groups = /** @type {any[]} */ ([...canvas.querySelectorAll(kind)]);
  const group = groups.find((each) => each.__data__?.[0]?.trace?.index === index);
  assume(group || canvas._fullData[index].visible !== true, `trace ${index} among ${kind}`);
  return group ?? null;
}

/** @param {number[]} places */
export const extent = (places) => [Math.min(...places), Math.max(...places)];

/**
 * With xlink, as plotly.js does: a plain href would override every value that plotly.js sets later.
 * @param {Element} image
 * @param {string} source
 */
export const setHref = (image, source) => image.setAttributeNS("http://www.w3.org/1999/xlink", "xlink:href", source);

/**
 * The x and y of an element's translation, as strings; undefined if it has none.
 * @param {Element} element
 */
export const shiftOf = (element) =>
  /^translate\(([^,]+),([^)]+)\)$/.exec(element.getAttribute("transform") ?? "")?.slice(1);
