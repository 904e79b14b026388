// Draws the figure of a Plot (plot.py) with plotly.js. The model holds the state; everything kept here can be rebuilt from it.
// plot.py joins this file with the files that it imports into one module, which plot_loader.js loads once per page.

import { CONFIG } from "../../views/page.js";
import { followClasses } from "./classes.js";
import { element, nextFrame, pause, plain, write } from "./dom.js";
import { isChecked } from "./plot_assumptions.js";
import { fitCells } from "./plot_cells.js";
import { CONTRAST_QUERIES } from "./plot_colours.js";
import { showLegend } from "./plot_legend.js";
import { patches } from "./plot_patch.js";
import { watchPrinting } from "./plot_printing.js";
import { themed, titleText } from "./plot_theme.js";
import { followThresholds, lastMove } from "./plot_thresholds.js";
import { isList, isObject } from "./plot_values.js";
import { watchVisibility } from "./plot_visibility.js";
import { loadedPlotly } from "./plotly_source.js";
import { termHelp } from "./term_help.js";

const SETTLED = 500; // ms without a change and without user movement, after which plotly.js redraws a patched picture
const UNSETTLED = 4000; // ms since the first patch, after which it is redrawn even if changes keep coming
const PAPER = "660px"; // width of a printed page, A4 or Letter, without its margins
const MIN_WIDTH = 40; // px; narrower than this (a row during layout), plotly.js places titles at -Infinity

// Whole pictures of a page are drawn one at a time, and the browser handles other events between two of them: user input
// that arrives while six pictures are due waits for one only.
/** @type {{ last: Promise<unknown> }} */
const queue = { last: Promise.resolve() };

/** @param {() => unknown} work */
function drawInTurn(work) {
  const done = queue.last.then(work);
  queue.last = done.catch(() => {}).then(() => globalThis.scheduler?.yield?.() ?? pause(0));
  return done;
}

// ---- the figure

/** @param {import("./types").Figure} figure */
function validated(figure) {
  if (!isObject(figure)) throw new Error("the figure is not a dict with data and layout.");
  const { data = [], layout = {} } = figure;
  if (!isList(data)) throw new Error("the figure's data is not a list of traces.");
  if (!data.every(isObject)) throw new Error("a trace in the figure's data is not a dict.");
  if (!isObject(layout)) throw new Error("the figure's layout is not a dict.");
  // A copy: plotly.js writes into its arguments, and other views on this page draw from the same state.
  return structuredClone({ data, layout });
}

// Whether nobody has given the plot a figure yet (plot.py).
const isBlank = (/** @type {any} */ figure) =>
  isList(figure?.data) && !figure.data.length && isObject(figure.layout) && !Object.keys(figure.layout).length;

// ---- the view

/**
 * Writes a text, and hides its element if the text is empty.
 * @param {HTMLElement} target
 * @param {string} text
 */
function writeIfAny(target, text) {
  write(target, text);
  target.hidden = !text;
}

/**
 * Starts loading plotly.js; views report failures.
 * @param {import("./types").InitializeArguments} arguments_
 */
function initialize({ model }) {
  loadedPlotly(model).catch(() => {});
}

/** @param {import("./types").RenderArguments} view */
function render({ model, el }) {
  followClasses({ model, el });
  const root = element("div", "prunelab-plot", el);
  const header = element("div", "prunelab-plot-header", root);
  const caption = element("p", "prunelab-plot-title", header);
  if (model.get("term")) termHelp(header, model.get("term"), model.get("about"), model.get("lesson"));
  const legend = element("ul", "prunelab-plot-legend", root);
  const stage = element("div", "prunelab-plot-stage", root);
  const canvas = /** @type {import("./types").Canvas} */ (
    /** @type {unknown} */ (element("div", "prunelab-plot-canvas", stage))
  );
  const says = element("p", "prunelab-plot-says", stage);
  const words = element("p", "prunelab-plot-words", root);
  const trouble = element("p", "prunelab-plot-trouble", root);
  canvas.setAttribute("role", "img");
  // The summary is both the picture's label and text that can be searched and copied; screen readers read only the label.
  words.setAttribute("aria-hidden", "true");
  trouble.setAttribute("role", "alert");
  trouble.hidden = says.hidden = legend.hidden = true;
  root.dataset.state = "loading";
  root.dataset.revision = "";
  root.dataset.paints = "0";

  /** @type {import("./types").Plotly | null} */
  let plotly = null;
  let gone = false;

  // What has to be drawn next.
  const pending = {
    any: false, // there is a newer picture than the one on the screen
    whole: false, // plotly.js has to draw it as a whole
    isDrawing: false,
    // Size of the canvas in px, from an observer: reading it between changes would force a layout of the page.
    canvasSize: { width: canvas.clientWidth, height: canvas.clientHeight },
  };

  // What is on the screen.
  const picture = {
    /** @type {import("./types").Figure | null} */
    figure: null,
    /** @type {{ width: number, height: number } | null} */
    size: null,
    isInvalid: false, // plotly.js failed, or its drawing is not as expected: the canvas must be cleared before the next picture
    /** @type {number | null} */
    patchedSince: null,
    settling: 0, // timer for the redraw of a patched picture as a whole
  };

  function describe() {
    const name = model.get("name") ?? "";
    const summary = model.get("summary") || name || "plot";
    root.dataset.plot = name;
    canvas.setAttribute("aria-label", summary);
    write(words, summary);
  }

  function showError(/** @type {string} */ text) {
    writeIfAny(trouble, text);
    root.dataset.state = "error";
  }

  // The in-place changes from the picture on the screen to the model's figure; null if plotly.js has to draw it.
  function changesNow() {
    const { figure, isInvalid } = picture;
    if (pending.whole || isInvalid || !figure || figure.layout?.meta?.says || !plotly || !isChecked(plotly))
      return null;
    try {
      // With data-live, bars have followed the user and are no longer where the drawn figure has them.
      return patches(canvas, figure, model.get("figure"), root.hasAttribute("data-live"));
    } catch (error) {
      distrust(error);
      return null;
    }
  }

  // The drawing is not as the in-place changes expect: plotly.js draws the next picture, in an empty canvas.
  function distrust(/** @type {any} */ error) {
    console.warn("[prunelab] drawn as a whole", error);
    picture.isInvalid = true;
    root.dataset.distrust = String(error?.message ?? error);
  }

  async function draw() {
    plotly ??= await loadedPlotly(model);
    if (gone) return;
    if (!isChecked(plotly)) root.dataset.distrust = `plotly.js ${plotly.version} is of a version that was not checked`;
    if (model.get("trouble")) return showError(model.get("trouble")); // the kernel could not make a picture
    if (!picture.figure && isBlank(model.get("figure"))) return; // no picture yet: plotly.js would draw axes without anything
    const changes = changesNow();
    const isPatched = changes !== null && patch(changes);
    if (!isPatched) await drawInTurn(() => gone || drawWhole());
    if (gone) return;
    const { title, meta } = picture.figure?.layout ?? {};
    thresholds.drawn(meta);
    writeIfAny(caption, titleText(title));
    showLegend(legend, meta?.legend ?? [], !isPatched);
    await nextFrame();
    if (gone) return;
    writeIfAny(trouble, "");
    root.dataset.paints = String(Number(root.dataset.paints) + 1);
    const revision = meta?.revision ?? "";
    root.dataset.revision = typeof revision === "object" ? JSON.stringify(revision) : String(revision);
    root.dataset.drawn = isPatched ? "patched" : "whole";
    if (isPatched && !picture.isInvalid) delete root.dataset.distrust;
    root.dataset.state = "ready";
  }

  // Applies all changes; returns whether that succeeded.
  function patch(/** @type {import("./types").Change[]} */ changes) {
    try {
      for (const change of changes) change();
    } catch (error) {
      distrust(error);
      return false;
    }
    picture.figure = model.get("figure");
    settle();
    return true;
  }

  async function drawWhole() {
    const figure = model.get("figure");
    const { data, layout } = validated(figure);
    canvas.style.height = layout.height > 0 ? `${layout.height}px` : "";
    writeIfAny(says, plain(layout.meta?.says ?? ""));
    if (!says.hidden) layout.annotations = [];
    if (picture.isInvalid) clear();
    picture.isInvalid = true;
    pending.whole = false;
    picture.size = pending.canvasSize;
    root.dataset.rows = String(layout.meta?.rows ?? 1);
    const themedFigure = themed({ data, layout }, canvas);
    const cells =
      layout.meta?.cells && fitCells(themedFigure.layout, { width: canvas.clientWidth, height: canvas.clientHeight });
    root.toggleAttribute("data-crisp", Boolean(cells));
    await plotly?.react(canvas, themedFigure.data, themedFigure.layout, CONFIG);
    root.toggleAttribute("data-clickable", model.get("clickable"));
    canvas.removeAllListeners?.("plotly_click"); // a cleared canvas has lost them, another may have ours already
    if (model.get("clickable")) canvas.on?.("plotly_click", reportClick);
    picture.isInvalid = false;
    picture.figure = figure;
    picture.patchedSince = null;
    clearTimeout(picture.settling);
  }

  function reportClick(/** @type {{ points: { customdata?: unknown }[] }} */ { points }) {
    const number = points.map((point) => point.customdata).find(Number.isInteger);
    if (number !== undefined) model.send({ clicked: number });
  }

  function clear() {
    try {
      plotly?.purge(canvas);
    } catch (error) {
      console.warn("[prunelab] not cleared by plotly.js", error); // purge relies on internal state, which may be broken too
    }
    // From these properties plotly.js concludes what is already drawn.
    for (const name of ["_fullLayout", "_fullData", "data", "layout", "_context"]) Reflect.deleteProperty(canvas, name);
    canvas.replaceChildren();
  }

  function settle() {
    const now = performance.now();
    picture.patchedSince ??= now;
    settleIn(Math.max(0, Math.min(SETTLED, picture.patchedSince + UNSETTLED - now)));
  }

  function settleIn(/** @type {number} */ milliseconds) {
    clearTimeout(picture.settling);
    picture.settling = setTimeout(() => {
      if (lastMove() + SETTLED > performance.now()) settleIn(SETTLED);
      else repaint();
    }, milliseconds);
  }

  function repaint() {
    pending.whole = true;
    paint();
  }

  // One picture at a time. All requests during a drawing lead to one further drawing, of the state at that time.
  async function paint() {
    pending.any = true;
    if (pending.isDrawing) return;
    pending.isDrawing = true;
    while (
      pending.any &&
      !gone &&
      pending.canvasSize.width >= MIN_WIDTH &&
      !thresholds.mustWait(model.get("figure"), changesNow)
    ) {
      pending.any = false;
      try {
        await draw();
      } catch (error) {
        console.warn("[prunelab] plot not drawn", error);
        if (!gone) showError(`This plot could not be drawn: ${/** @type {any} */ (error)?.message || error}`);
      }
    }
    pending.isDrawing = false;
  }

  // Also draws the first or newest picture of a plot that was hidden (in a tab, behind a start screen).
  const sizes = new ResizeObserver(
    ([
      {
        contentRect: { width, height },
      },
    ]) => {
      const { size } = picture;
      pending.canvasSize = { width, height };
      if (size && (size.width !== width || size.height !== height)) repaint();
      else if (pending.any) paint();
    },
  );
  const theme = new MutationObserver(repaint);
  const page = el.closest(".prunelab"); // a class on this element switches large type
  if (page) theme.observe(page, { attributeFilter: ["class"] });
  const queries = ["(prefers-color-scheme: dark)", ...CONTRAST_QUERIES].map((query) => globalThis.matchMedia(query));
  const thresholds = followThresholds({
    model,
    root,
    stage,
    canvas,
    repaint: paint,
    isKnown: () => plotly !== null && isChecked(plotly),
    distrust(error) {
      distrust(error);
      repaint();
    },
  });
  const stopWatching = watchVisibility(model, root);
  // Drawn for paper at once: the browser does not wait for anything that comes later.
  const stopPrinting = watchPrinting((isPrinting) => {
    root.toggleAttribute("data-printing", isPrinting);
    canvas.style.width = isPrinting ? getComputedStyle(root).getPropertyValue("--prunelab-print-width") || PAPER : "";
    if (!plotly || !picture.figure) return;
    drawWhole().catch((error) => console.warn("[prunelab] not drawn for printing", error));
  });

  describe();
  model.on("change:name", describe);
  model.on("change:summary", describe);
  model.on("change:figure", paint);
  model.on("change:trouble", paint);
  sizes.observe(canvas);
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-name"] });
  for (const query of queries) query.addEventListener("change", repaint);
  paint();

  return () => {
    gone = true;
    clearTimeout(picture.settling);
    model.off("change:name", describe);
    model.off("change:summary", describe);
    model.off("change:figure", paint);
    model.off("change:trouble", paint);
    sizes.disconnect();
    theme.disconnect();
    for (const query of queries) query.removeEventListener("change", repaint);
    thresholds.end();
    stopWatching();
    stopPrinting();
    plotly?.purge(canvas);
    root.remove();
  };
}

export default { initialize, render };
