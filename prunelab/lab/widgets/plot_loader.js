// Loads what all plots of a page share, the code that draws them and plotly.js, once, from the model of their library (plot.py).
// This file is sent with every plot.

import { unzipped } from "../../views/page.js";
import { element, pause } from "./dom.js";

const LOADED = Symbol.for("prunelab.loaded"); // on globalThis: the first plot loads for all
const ATTEMPTS = 150; // attempts to find a library that has not arrived yet, 100 ms apart

/**
 * @param {import("./types").Model} model
 * @param {unknown} reference "IPY_MODEL_<id>", as widget state refers to a model
 */
async function widgetModel(model, reference) {
  const id = String(reference ?? "").replace(/^IPY_MODEL_/, "");
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      // The manager throws for models that it does not have yet: a page that reloads receives them in any order.
      return await model.widget_manager.get_model(id);
    } catch {
      await pause(100);
    }
  }
  throw new Error("a part of it did not arrive from the kernel. Reload the page, or run the notebook again.");
}

/** @param {import("./types").Model} model */
const library = (model) => widgetModel(model, model.get("library"));

/**
 * The result of `load`, called once per page and key. A failure is not cached: the next picture tries again.
 * @param {string} key
 * @param {() => Promise<any>} load
 */
function once(key, load) {
  const page = /** @type {Record<symbol, Map<string, Promise<any>>>} */ (globalThis);
  page[LOADED] ??= new Map();
  const loaded = page[LOADED];
  const loading = loaded.get(key) ?? load();
  if (!loaded.has(key)) {
    loaded.set(key, loading);
    loading.catch(() => loaded.delete(key));
  }
  return loading;
}

/**
 * The default export of a module.
 * @param {BlobPart} source
 */
async function importModule(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    return await importFrom(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {string} url */
const importFrom = async (url) => (await import(/* webpackIgnore: true */ /* @vite-ignore */ url)).default;

// plotly.js from the file that the page links if its server has one (serve/voila_app.py); null if there is no such file, or
// none that can be used.
async function servedPlotly(/** @type {string} */ version) {
  const link = /** @type {HTMLLinkElement | null} */ (document.getElementById("prunelab-plotly"));
  if (link?.dataset.version !== version) return null;
  try {
    return await importFrom(link.href);
  } catch (error) {
    console.warn("[prunelab] plotly.js comes from the kernel, because its file cannot be used", error);
    return null;
  }
}

/**
 * plotly.js from the kernel, gzipped: part of the library's state, or on its way as soon as we ask for it.
 * @param {import("./types").Model} from
 * @returns {Promise<BlobPart>}
 */
function sourceOf(from) {
  return new Promise((resolve) => {
    const take = () => {
      const source = from.get("source");
      if (!source?.byteLength) return;
      from.off("change:source", take);
      resolve(source);
    };
    from.on("change:source", take);
    take();
    if (from.get("source")?.byteLength) return;
    from.set("wanted", true);
    from.save_changes();
  });
}

/**
 * @param {import("./types").Model} model
 * @returns {Promise<import("./types").Plotly>}
 */
async function plotly(model) {
  const from = await library(model);
  const version = from.get("version");
  const load = async () => (await servedPlotly(version)) ?? importModule(await unzipped(await sourceOf(from)).blob());
  return once(`plotly ${version}`, load);
}

/**
 * @param {import("./types").Model} model
 * @returns {Promise<(view: import("./types").PlotArguments) => () => void>}
 */
async function view(model) {
  const from = await library(model);
  const [code, style] = [from.get("code"), from.get("style")];
  await once(style, async () => {
    element("style", "prunelab-plot-style", document.head).textContent = style;
  });
  return once(code, () => importModule(code));
}

/** @param {import("./types").InitializeArguments} arguments_ */
function initialize({ model }) {
  // Start loading before there is an element to draw in. render() reports failures there.
  for (const loading of [view(model), plotly(model)]) loading.catch(() => {});
}

/** @param {import("./types").RenderArguments} arguments_ */
async function render({ model, el }) {
  try {
    return (await view(model))({ model, el, widgetModel, plotly: () => plotly(model) });
  } catch (/** @type {any} */ error) {
    console.warn("[prunelab] no plot", error);
    el.replaceChildren();
    const root = element("div", "prunelab-plot", el);
    root.dataset.state = "error";
    const trouble = element("p", "prunelab-plot-trouble", root);
    trouble.setAttribute("role", "alert");
    trouble.textContent = `This plot could not be drawn: ${error?.message || error}`;
  }
}

export default { initialize, render };
