// Where a page has plotly.js from: a file of its server, or the kernel.

import { unzipped } from "../../views/page.js";
import { importFrom, importModule, library, once } from "./shared_code.js";

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
 * plotly.js, loaded once a page.
 * @param {import("./types").Model} model of a plot
 * @returns {Promise<import("./types").Plotly>}
 */
export async function loadedPlotly(model) {
  const from = await library(model);
  const version = from.get("version");
  const load = async () => (await servedPlotly(version)) ?? importModule(await unzipped(await sourceOf(from)).blob());
  return once(`plotly ${version}`, load);
}
