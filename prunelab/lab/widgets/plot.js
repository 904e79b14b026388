// Draws the figure of a Plot (plot.py) with plotly.js. The model's state is the truth; nothing is kept here that could not be
// made again from it. plot.py joins this file with those that it imports: one module, which plot_loader.js loads once a page.

import { CONFIG, TITLE_LINE } from "../../views/page.js";
import { element, nextFrame, pause, plain, write } from "./dom.js";
import { isChecked } from "./plot_assumptions.js";
import { CONTRAST_QUERIES, groundOf, isDark, wantsContrast, withContrast } from "./plot_colours.js";
import { patches } from "./plot_patch.js";
import { followThresholds, lastMove } from "./plot_thresholds.js";
import { isList, isObject } from "./plot_values.js";
import { watchSight } from "./plot_visibility.js";

const SETTLED = 500; // ms without a change, after which a patched picture is drawn as a whole, if no hand is on the page
const UNSETTLED = 4000; // the same, however often it changes
const LEAST = 40; // px of width; in a place that is still narrower (a row being laid out) plotly.js sets titles at -Infinity

// One whole picture after the other on a page, and between two of them room for whatever else the page has to do: a hand
// that comes while six are being drawn waits for one of them.
/** @type {{ last: Promise<unknown> }} */
const turns = { last: Promise.resolve() };

/** @param {() => unknown} work */
function inTurn(work) {
  const done = turns.last.then(work);
  turns.last = done.catch(() => {}).then(() => globalThis.scheduler?.yield?.() ?? pause(0));
  return done;
}

// ---- the figure

/** @param {import("./types").Figure} figure */
function checked(figure) {
  if (!isObject(figure)) throw new Error("the figure is not a dict with data and layout.");
  const { data = [], layout = {} } = figure;
  if (!isList(data)) throw new Error("the figure's data is not a list of traces.");
  if (!data.every(isObject)) throw new Error("a trace in the figure's data is not a dict.");
  if (!isObject(layout)) throw new Error("the figure's layout is not a dict.");
  // A copy, because plotly.js writes into what it is given, and other views on this page draw from the same state.
  return structuredClone({ data, layout });
}

/**
 * Larger type where the page asks for it (a projector), in the notes too, which have sizes of their own.
 * @param {import("./types").Layout} layout
 * @param {number} scale
 */
function enlarge(layout, scale) {
  if (scale === 1) return;
  layout.font.size = (layout.font.size ?? 12) * scale;
  for (const note of layout.annotations ?? []) if (note.font?.size) note.font.size *= scale;
  if (layout.margin) for (const side of ["l", "r", "t", "b"]) layout.margin[side] = (layout.margin[side] ?? 40) * scale;
}

/**
 * The page's part of a figure: colours, sizes, and the title as text of the page instead of a part of the picture: it wraps,
 * it can be read out, selected and enlarged. The margin that the layout keeps for it shrinks by its line.
 * @param {Required<import("./types").Figure>} figure
 * @param {Element} canvas
 */
function dressed({ data, layout }, canvas) {
  const template = layout.template?.layout ?? {};
  layout.autosize ??= true;
  layout.paper_bgcolor ??= template.paper_bgcolor ?? "rgba(0,0,0,0)";
  layout.plot_bgcolor ??= template.plot_bgcolor ?? "rgba(0,0,0,0)";
  // The page's own text colour, so that light and dark need nothing from the kernel.
  layout.font = { color: template.font?.color ?? getComputedStyle(canvas).color, ...layout.font };
  enlarge(layout, Number(getComputedStyle(canvas).getPropertyValue("--prunelab-plot-scale")) || 1);
  if (globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches) delete layout.transition;
  if (titleText(layout.title) && layout.margin?.t !== undefined)
    layout.margin.t = Math.max(0, layout.margin.t - TITLE_LINE);
  delete layout.title;
  const ground = groundOf(canvas);
  return wantsContrast() || isDark(ground) ? withContrast({ data, layout }, ground) : { data, layout };
}

/** @param {any} title */
const titleText = (title) => plain((typeof title === "string" ? title : title?.text) ?? "");

// ---- the view

/**
 * A text that is there when it says something.
 * @param {HTMLElement} target
 * @param {string} text
 */
function writeIfAny(target, text) {
  write(target, text);
  target.hidden = !text;
}

/** @param {import("./types").PlotArguments} view what plot_loader.js gives */
export default function render({ model, el, widgetModel, plotly: loadPlotly }) {
  const root = element("div", "prunelab-plot", el);
  const caption = element("p", "prunelab-plot-title", root);
  const stage = element("div", "prunelab-plot-stage", root);
  const canvas = /** @type {import("./types").Canvas} */ (
    /** @type {unknown} */ (element("div", "prunelab-plot-canvas", stage))
  );
  const says = element("p", "prunelab-plot-says", stage);
  const words = element("p", "prunelab-plot-words", root);
  const trouble = element("p", "prunelab-plot-trouble", root);
  canvas.setAttribute("role", "img");
  // The same words twice (as the picture's name, and as text that can be searched and copied) are read out once.
  words.setAttribute("aria-hidden", "true");
  trouble.setAttribute("role", "alert");
  trouble.hidden = says.hidden = true;
  root.dataset.state = "loading";
  root.dataset.revision = "";
  root.dataset.paints = "0";

  /** @type {import("./types").Plotly | null} */
  let plotly = null;
  let gone = false;

  // What is to be drawn.
  const wanted = {
    any: false, // a picture that is newer than the one on the screen
    whole: false, // and plotly.js has to draw all of it
    isDrawing: false,
    // Of the canvas; told by an observer, because to ask for it in the middle of changes makes the browser lay out the page.
    place: { width: canvas.clientWidth, height: canvas.clientHeight },
  };

  // What is on the screen.
  const picture = {
    /** @type {import("./types").Figure | null} */
    figure: null,
    /** @type {{ width: number, height: number } | null} */
    size: null,
    spoilt: false, // plotly.js stumbled, or its drawing is not as expected: what is in the canvas is not to be built upon
    /** @type {number | null} */
    patchedSince: null,
    settling: 0, // the timer after which a patched one is drawn as a whole
  };

  function describe() {
    const name = model.get("name") ?? "";
    const summary = model.get("summary") || name || "plot";
    root.dataset.plot = name;
    canvas.setAttribute("aria-label", summary);
    write(words, summary);
  }

  function complain(/** @type {string} */ text) {
    writeIfAny(trouble, text);
    root.dataset.state = "error";
  }

  // What has changed since the last picture, as changes to be made in place; null where plotly.js has to draw it.
  function changesNow() {
    const { figure, spoilt } = picture;
    if (wanted.whole || spoilt || !figure || figure.layout?.meta?.says || !plotly || !isChecked(plotly)) return null;
    try {
      // Bars that followed a hand stand elsewhere than the figure says that was drawn.
      return patches(canvas, figure, model.get("figure"), root.hasAttribute("data-live"));
    } catch (error) {
      distrust(error);
      return null;
    }
  }

  // Something in the drawing is not as those expect who reach into it: plotly.js draws the next picture, in an empty canvas.
  function distrust(/** @type {any} */ error) {
    console.warn("[prunelab] drawn as a whole", error);
    picture.spoilt = true;
    root.dataset.distrust = String(error?.message ?? error);
  }

  async function draw() {
    plotly ??= await loadPlotly();
    if (gone) return;
    if (!isChecked(plotly)) root.dataset.distrust = `plotly.js ${plotly.version} is of a version that was not checked`;
    if (model.get("trouble")) return complain(model.get("trouble")); // the kernel could not make a picture
    const changes = changesNow();
    const isPatched = changes !== null && patch(changes);
    if (!isPatched) await inTurn(() => gone || drawWhole());
    if (gone) return;
    const { title, meta } = picture.figure?.layout ?? {};
    thresholds.drawn(meta);
    writeIfAny(caption, titleText(title));
    await nextFrame();
    if (gone) return;
    writeIfAny(trouble, "");
    root.dataset.paints = String(Number(root.dataset.paints) + 1);
    const revision = meta?.revision ?? "";
    root.dataset.revision = typeof revision === "object" ? JSON.stringify(revision) : String(revision);
    root.dataset.drawn = isPatched ? "patched" : "whole";
    if (isPatched && !picture.spoilt) delete root.dataset.distrust;
    root.dataset.state = "ready";
  }

  // Whether all changes could be made.
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
    const { data, layout } = checked(figure);
    canvas.style.height = layout.height > 0 ? `${layout.height}px` : "";
    writeIfAny(says, plain(layout.meta?.says ?? ""));
    if (!says.hidden) layout.annotations = [];
    if (picture.spoilt) clear();
    picture.spoilt = true;
    wanted.whole = false;
    picture.size = wanted.place;
    const dress = dressed({ data, layout }, canvas);
    await plotly?.react(canvas, dress.data, dress.layout, CONFIG);
    picture.spoilt = false;
    picture.figure = figure;
    picture.patchedSince = null;
    clearTimeout(picture.settling);
  }

  function clear() {
    try {
      plotly?.purge(canvas);
    } catch (error) {
      console.warn("[prunelab] not cleared by plotly.js", error); // it goes by what it keeps, which may be broken too
    }
    // What plotly.js keeps on the element tells it what is drawn already.
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
    wanted.whole = true;
    paint();
  }

  // One picture at a time. Whatever is asked for while one is being drawn becomes one more, of the state as it is then.
  async function paint() {
    wanted.any = true;
    if (wanted.isDrawing) return;
    wanted.isDrawing = true;
    while (wanted.any && !gone && wanted.place.width >= LEAST && !thresholds.holds(model.get("figure"), changesNow)) {
      wanted.any = false;
      try {
        await draw();
      } catch (error) {
        console.warn("[prunelab] plot not drawn", error);
        if (!gone) complain(`This plot could not be drawn: ${/** @type {any} */ (error)?.message || error}`);
      }
    }
    wanted.isDrawing = false;
  }

  // Also how a plot that was hidden (a tab, a start screen) gets its first or its newest picture.
  const sizes = new ResizeObserver(
    ([
      {
        contentRect: { width, height },
      },
    ]) => {
      const { size } = picture;
      wanted.place = { width, height };
      if (size && (size.width !== width || size.height !== height)) repaint();
      else if (wanted.any) paint();
    },
  );
  const theme = new MutationObserver(repaint);
  const page = el.closest(".prunelab"); // large type is switched by a class there
  if (page) theme.observe(page, { attributeFilter: ["class"] });
  const queries = ["(prefers-color-scheme: dark)", ...CONTRAST_QUERIES].map((query) => globalThis.matchMedia(query));
  const thresholds = followThresholds({
    model,
    root,
    stage,
    canvas,
    widgetModel,
    repaint: paint,
    isKnown: () => plotly !== null && isChecked(plotly),
    distrust(error) {
      distrust(error);
      repaint();
    },
  });
  const leaveSight = watchSight(model, root);

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
    leaveSight();
    plotly?.purge(canvas);
    root.remove();
  };
}
