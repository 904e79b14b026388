// What all plots of a page have in common comes once, in the model of their library (plot.py): the code that draws them, and
// plotly.js. This file comes with every plot, and fetches both from there.

import { unzipped } from "../../views/page.js";
import { element, pause } from "./dom.js";

const LOADED = Symbol.for("prunelab.loaded"); // on globalThis: whichever plot comes first loads for all
const PATIENCE = 150; // how often a library that has not arrived yet is looked for, 100 ms apart

/**
 * @param {import("./types").Model} model
 * @param {unknown} reference as the state of widgets refers to a model
 */
async function widgetModel(model, reference) {
  const id = String(reference ?? "").replace(/^IPY_MODEL_/, "");
  for (let attempt = 0; attempt < PATIENCE; attempt++) {
    try {
      // The manager throws for models it does not know yet: a page that reloads gets them in any order.
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
 * What `load` gives, loaded once a page. A failure is not kept: the next picture tries again.
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
 * The default export of a module that is put together from parts.
 * @param {BlobPart[]} parts
 */
async function evaluated(...parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * @param {import("./types").Model} model
 * @returns {Promise<import("./types").Plotly>}
 */
async function plotly(model) {
  const from = await library(model);
  // As a module with a `module` of its own: the bundle then exports there and never sees the `define` of RequireJS, which
  // would swallow it.
  const before = "const module = { exports: {} }, exports = module.exports, define = undefined;\n";
  const load = async () =>
    evaluated(before, await unzipped(from.get("source")).blob(), "\nexport default module.exports;\n");
  return once(`plotly ${from.get("version")}`, load);
}

/**
 * @param {import("./types").Model} model
 * @returns {Promise<(view: import("./types").PlotArguments) => () => void>}
 */
async function view(model) {
  const code = (await library(model)).get("code");
  return once(code, () => evaluated(code));
}

/** @param {import("./types").InitializeArguments} arguments_ */
function initialize({ model }) {
  // Begun before there is a place to draw in. Whatever fails is told there.
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
