// What the colours of a picture mean, as text above it: it wraps in a narrow panel, and takes no room from the axes. A view
// describes it in layout.meta.legend: for each entry its text, its colour, and whether that is of a bar or a line.

import { element } from "./dom.js";
import { backgroundOf, isDark, wantsContrast, withContrast } from "./plot_colours.js";

/**
 * @param {HTMLElement} list changed if it shows another legend, or on another background
 * @param {{ text: string, colour: string, as: "bar" | "line" }[]} entries
 * @param {boolean} whole whether the background may be another one: asking for it makes the browser lay out the page
 */
export function showLegend(list, entries, whole) {
  const asked = JSON.stringify(entries);
  if (!whole && list.dataset.asked === asked) return;
  list.dataset.asked = asked;
  list.hidden = !entries.length;
  if (!entries.length) return;
  const background = backgroundOf(list);
  const shown = wantsContrast() || isDark(background) ? withContrast(entries, background) : entries;
  const key = JSON.stringify(shown);
  if (list.dataset.shown === key) return;
  list.dataset.shown = key;
  list.replaceChildren();
  for (const { text, colour, as } of shown) {
    const item = element("li", "", list);
    const sign = element("span", `prunelab-plot-sign prunelab-plot-sign-${as}`, item);
    sign.style.color = colour;
    item.append(text);
  }
}
