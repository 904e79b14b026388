// What all plots of a page have in common comes once, in the model of their library (plots.py): the code that draws them, and
// plotly.js. This file comes with every plot, and fetches both from there.

const LOADED = Symbol.for("prunelab.loaded"); // on globalThis: whichever plot comes first loads for all
const PATIENCE = 150; // how often a library that has not arrived yet is looked for, 100 ms apart

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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

const library = (model) => widgetModel(model, model.get("library"));

function once(key, load) {
  const loaded = (globalThis[LOADED] ??= new Map());
  if (!loaded.has(key)) {
    const loading = load();
    loaded.set(key, loading);
    // A failure is not kept: the next picture tries again.
    loading.catch(() => loaded.delete(key));
  }
  return loaded.get(key);
}

async function evaluated(...parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function unpacked(gzipped) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old: the plots need Chrome 80, Firefox 113, Safari 16.4 or later.");
  }
  return new Response(new Blob([gzipped]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
}

async function plotly(model) {
  const from = await library(model);
  // As a module with a `module` of its own: the bundle then exports there and never sees the `define` of RequireJS, which
  // would swallow it.
  const before = "const module = { exports: {} }, exports = module.exports, define = undefined;\n";
  const load = async () => evaluated(before, await unpacked(from.get("source")), "\nexport default module.exports;\n");
  return once(`plotly ${from.get("version")}`, load);
}

async function view(model) {
  const code = (await library(model)).get("code");
  return once(code, () => evaluated(code));
}

function initialize({ model }) {
  // Begun before there is a place to draw in. Whatever fails is told there.
  for (const loading of [view(model), plotly(model)]) loading.catch(() => {});
}

async function render({ model, el }) {
  try {
    return (await view(model))({ model, el, widgetModel, plotly: () => plotly(model) });
  } catch (error) {
    console.warn("[prunelab] no plot", error);
    el.innerHTML = '<div class="prunelab-plot" data-state="error"><p class="prunelab-plot-trouble" role="alert"></p></div>';
    el.querySelector("p").textContent = `This plot could not be drawn: ${error?.message || error}`;
  }
}

export default { initialize, render };
