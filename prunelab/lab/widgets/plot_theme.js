// The look that a page gives to a figure: its colours, the size of its type, and its title as text of the page.

import { TITLE_LINE } from "../../views/page.js";
import { plain } from "./dom.js";
import { backgroundOf, isDark, wantsContrast, withContrast } from "./plot_colours.js";

const WIDTH_OF_A_LETTER = 0.55; // of its size, on average

/**
 * The words of a title; a number and its unit stay in one line.
 * @param {any} title
 */
export const titleText = (title) =>
  plain((typeof title === "string" ? title : title?.text) ?? "").replace(/(\d) (?=%|[KM]B\b)/g, "$1\u00a0");

/**
 * Larger type where the page requests it (for a projector), also in annotations and titles of axes, which set their own
 * sizes; a title beside a low axis grows as far as it has room.
 * @param {import("./types").Layout} layout
 * @param {number} scale
 * @param {number} height of the picture, in px
 */
function enlarge(layout, scale, height) {
  if (scale === 1) return;
  layout.font.size = (layout.font.size ?? 12) * scale;
  for (const note of layout.annotations ?? []) if (note.font?.size) note.font.size *= scale;
  for (const [name, axis] of Object.entries(layout))
    if (/^[xy]axis\d*$/.test(name) && axis.title?.font?.size) axis.title.font.size *= scale;
  if (layout.margin) for (const side of ["l", "r", "t", "b"]) layout.margin[side] = (layout.margin[side] ?? 40) * scale;
  const { t = 0, b = 0 } = layout.margin ?? {};
  for (const [name, axis] of Object.entries(layout)) {
    const { text, font } = (/^yaxis\d*$/.test(name) && axis.title) || {};
    if (!text || !font?.size) continue;
    const [start, end] = axis.domain ?? [0, 1];
    const fitting = ((height - t - b) * (end - start)) / (WIDTH_OF_A_LETTER * text.length);
    font.size = Math.max(font.size / scale, Math.min(font.size, fitting));
  }
}

/**
 * The figure with the page's colours and sizes, and without its title, which the page shows as text: there it wraps, and can
 * be read aloud, selected and enlarged. The top margin shrinks by the line that the layout reserves for the title.
 * @param {Required<import("./types").Figure>} figure
 * @param {Element} canvas
 */
export function themed({ data, layout }, canvas) {
  const template = layout.template?.layout ?? {};
  layout.autosize ??= true;
  layout.paper_bgcolor ??= template.paper_bgcolor ?? "rgba(0,0,0,0)";
  layout.plot_bgcolor ??= template.plot_bgcolor ?? "rgba(0,0,0,0)";
  // The page's text colour: light and dark themes need nothing from the kernel.
  layout.font = { color: template.font?.color ?? getComputedStyle(canvas).color, ...layout.font };
  enlarge(layout, Number(getComputedStyle(canvas).getPropertyValue("--prunelab-plot-scale")) || 1, canvas.clientHeight);
  if (globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches) delete layout.transition;
  if (titleText(layout.title) && layout.margin?.t !== undefined)
    layout.margin.t = Math.max(0, layout.margin.t - TITLE_LINE);
  delete layout.title;
  const background = backgroundOf(canvas);
  return wantsContrast() || isDark(background) ? withContrast({ data, layout }, background) : { data, layout };
}
