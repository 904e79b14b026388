// Loads what all plots of a page share, the code that draws them and plotly.js, once, from the model of their library (plot.py).
// This file is sent with every plot.

import { unzipped } from "../../views/page.js";
import { element } from "./dom.js";
import { importFrom, importModule, library, once, sharedCode, widgetModel } from "./shared_code.js";

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
const view = (model) => sharedCode(model);

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
