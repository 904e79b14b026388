// Draws the pictures of a report, and replaces them when the scrubber moves. All data and plotly.js are in the HTML file itself.

import { CONFIG, TITLE_LINE, unzipped } from "../views/page.js";

const PAPER_WIDTH = 660; // px, width of a printed page: A4 or Letter without its margins
const MIN_MARGIN = 8; // px above a picture whose title has been removed

/**
 * What report() writes into the page. choices: for each layer that can be chosen, the index of the view for each snapshot.
 * @typedef {{ name: string, choices: number[][] }} Panel
 * @typedef {{ title: string, words: string, data: object[], layout: Record<string, any> }} View
 * @typedef {{ moments: string[], panels: Panel[], views: View[] }} Report
 */

/**
 * A panel with its elements on the page. drawn: key of the picture in it.
 * @typedef {Panel & { title: HTMLElement, plot: HTMLElement, words: HTMLElement, choice: HTMLSelectElement | null,
 *   drawn: string }} PanelOnPage
 */

/** @param {string} id of an element that html_report.html has */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const report = /** @type {Report} */ (JSON.parse(find("pictures").textContent ?? ""));
const scrubber = /** @type {HTMLInputElement} */ (find("moment"));
/** @type {PanelOnPage[]} */
const panels = report.panels.map((panel) => {
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

// Whether the page is being printed, and whether a redraw is scheduled for the next frame.
const page = { isPrinting: false, isScheduled: false };

// Adds plotly.js to the page as a script.
async function loadPlotly() {
  const gzipped = Uint8Array.from(atob(find("plotly").textContent ?? ""), (letter) => letter.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = await unzipped(gzipped).text();
  document.head.append(script);
}

/** @param {any} error */
function showError(error) {
  console.warn("[prunelab] not drawn", error);
  document.body.dataset.state = "error";
  find("trouble").textContent = `Not all pictures could be drawn: ${error?.message || error}`;
  find("trouble").hidden = false;
}

/**
 * @param {PanelOnPage} panel
 * @param {number} snapshot
 */
async function show(panel, snapshot) {
  const number = panel.choices[panel.choice?.selectedIndex ?? 0][snapshot];
  const ink = page.isPrinting ? "#000" : getComputedStyle(panel.plot).color;
  const width = page.isPrinting ? PAPER_WIDTH : panel.plot.clientWidth;
  const drawn = [number, ink, width].join();
  if (drawn === panel.drawn) return;
  panel.drawn = drawn;
  const { title, words, data, layout } = structuredClone(report.views[number]);
  panel.title.textContent = title;
  panel.words.textContent = words;
  panel.plot.setAttribute("aria-label", `${title}. ${words}`);
  layout.font = { family: getComputedStyle(document.body).fontFamily, ...layout.font, color: ink };
  layout.margin.t = Math.max(MIN_MARGIN, layout.margin.t - TITLE_LINE);
  // Enlarged cells are drawn with sharp edges; cells smaller than a pixel are averaged.
  const isCoarse = (layout.images ?? []).every((/** @type {{ sizex: number }} */ image) => image.sizex <= width);
  panel.plot.classList.toggle("coarse", isCoarse);
  Object.assign(layout, { width, height: panel.plot.clientHeight, autosize: false });
  await window.Plotly.react(panel.plot, data, layout, CONFIG);
}

function draw() {
  const snapshot = Number(scrubber.value);
  find("now").textContent = report.moments[snapshot];
  scrubber.setAttribute("aria-valuetext", report.moments[snapshot]);
  const drawing = panels.map((panel) => show(panel, snapshot));
  return Promise.all(drawing).then(() => {
    document.body.dataset.moment = String(snapshot);
    document.body.dataset.state = "ready";
  }, showError);
}

// Redraws all panels at most once per frame, with the latest state.
function scheduleDraw() {
  if (page.isScheduled) return;
  page.isScheduled = true;
  requestAnimationFrame(() => {
    page.isScheduled = false;
    if (!page.isPrinting) draw();
  });
}

/** @param {boolean} now */
function print(now) {
  page.isPrinting = now;
  draw();
}

loadPlotly()
  .then(() => {
    draw();
    scrubber.addEventListener("input", scheduleDraw);
    for (const panel of panels) panel.choice?.addEventListener("change", scheduleDraw);
    new ResizeObserver(scheduleDraw).observe(document.body);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", scheduleDraw);
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
  })
  .catch(showError);
