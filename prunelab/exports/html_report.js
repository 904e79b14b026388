// Draws the pictures of a report, and swaps them as the scrubber moves. Everything it needs stands in the file itself.

import { CONFIG, TITLE_LINE, unzipped } from "../views/page.js";

const PAPER = 660; // pixels across a printed page: A4 or Letter less its margins
const LEAST_MARGIN = 8; // pixels above a picture whose title has been taken out

/**
 * What report() puts into the page. choices: for each layer that can be chosen, the number of a view for each moment.
 * @typedef {{ name: string, choices: number[][] }} Panel
 * @typedef {{ title: string, words: string, data: object[], layout: Record<string, any> }} View
 * @typedef {{ moments: string[], panels: Panel[], views: View[] }} Book
 */

/**
 * A panel with its place on the page.
 * @typedef {Panel & { title: HTMLElement, plot: HTMLElement, words: HTMLElement, choice: HTMLSelectElement | null,
 *   drawn: string }} Place
 */

/** @param {string} id of an element that html_report.html has */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const book = /** @type {Book} */ (JSON.parse(find("pictures").textContent ?? ""));
const scrubber = /** @type {HTMLInputElement} */ (find("moment"));
/** @type {Place[]} */
const panels = book.panels.map((panel) => {
  const root = /** @type {HTMLElement} */ (document.querySelector(`figure[data-panel="${panel.name}"]`));
  const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
  return {
    ...panel,
    title: part("h3"),
    plot: part(".plot"),
    words: part(".words"),
    choice: /** @type {HTMLSelectElement | null} */ (root.querySelector("select")),
    drawn: "",
  };
});

// Of the page: whether it is on its way to paper, and whether a frame is to draw it anew.
const page = { isPrinting: false, isAsked: false };

// plotly.js, as a script of the page.
async function library() {
  const packed = Uint8Array.from(atob(find("plotly").textContent ?? ""), (letter) => letter.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = await unzipped(packed).text();
  document.head.append(script);
}

/** @param {any} error */
function complain(error) {
  console.warn("[prunelab] not drawn", error);
  document.body.dataset.state = "error";
  find("trouble").textContent = `Not all pictures could be drawn: ${error?.message || error}`;
  find("trouble").hidden = false;
}

/**
 * @param {Place} panel
 * @param {number} moment
 */
async function show(panel, moment) {
  const number = panel.choices[panel.choice?.selectedIndex ?? 0][moment];
  const ink = page.isPrinting ? "#000" : getComputedStyle(panel.plot).color;
  const width = page.isPrinting ? PAPER : panel.plot.clientWidth;
  const drawn = [number, ink, width].join();
  if (drawn === panel.drawn) return;
  panel.drawn = drawn;
  const { title, words, data, layout } = structuredClone(book.views[number]);
  panel.title.textContent = title;
  panel.words.textContent = words;
  panel.plot.setAttribute("aria-label", `${title}. ${words}`);
  layout.font = { family: getComputedStyle(document.body).fontFamily, ...layout.font, color: ink };
  layout.margin.t = Math.max(LEAST_MARGIN, layout.margin.t - TITLE_LINE);
  // Cells that are enlarged keep their edges; cells smaller than a pixel are averaged.
  const isCoarse = (layout.images ?? []).every((/** @type {{ sizex: number }} */ image) => image.sizex <= width);
  panel.plot.classList.toggle("coarse", isCoarse);
  Object.assign(layout, { width, height: panel.plot.clientHeight, autosize: false });
  await window.Plotly.react(panel.plot, data, layout, CONFIG);
}

function draw() {
  const moment = Number(scrubber.value);
  find("now").textContent = book.moments[moment];
  scrubber.setAttribute("aria-valuetext", book.moments[moment]);
  const drawing = panels.map((panel) => show(panel, moment));
  return Promise.all(drawing).then(() => {
    document.body.dataset.moment = String(moment);
    document.body.dataset.state = "ready";
  }, complain);
}

// At most one picture of everything a frame, of the latest state.
function ask() {
  if (page.isAsked) return;
  page.isAsked = true;
  requestAnimationFrame(() => {
    page.isAsked = false;
    if (!page.isPrinting) draw();
  });
}

/** @param {boolean} now */
function print(now) {
  page.isPrinting = now;
  draw();
}

library()
  .then(() => {
    draw();
    scrubber.addEventListener("input", ask);
    for (const panel of panels) panel.choice?.addEventListener("change", ask);
    new ResizeObserver(ask).observe(document.body);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ask);
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
  })
  .catch(complain);
