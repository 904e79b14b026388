// Moves and rewrites labels, images and shapes in the SVG that plotly.js drew; see plot_moves.js.

import { plain } from "./dom.js";
import { assume, assumeNear } from "./plot_assumptions.js";
import { fixedAxis, setHref, shiftOf } from "./plot_drawn.js";
import { finite, only } from "./plot_values.js";

/** @param {import("./types").PartChange} change */
export function movedLabel({ canvas, layout, index, old, part, moved }) {
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

/** @param {import("./types").PartChange} change */
export function newImage({ canvas, index, old, part, moved }) {
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

/** @param {import("./types").PartChange} change */
export function movedShape({ canvas, layout, index, old, part, moved }) {
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
