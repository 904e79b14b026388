// Fetches, once per page, what all widgets of a kind share, from the model that each refers to as its "library" (shared_code.py).

import { element, pause } from "./dom.js";

const LOADED = Symbol.for("prunelab.loaded"); // on globalThis: the first widget loads for all
const ATTEMPTS = 150; // attempts to find a library that has not arrived yet, 100 ms apart

/**
 * @param {import("./types").Model} model
 * @param {unknown} reference "IPY_MODEL_<id>", as widget state refers to a model
 */
export async function widgetModel(model, reference) {
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
export const library = (model) => widgetModel(model, model.get("library"));

/**
 * The result of `load`, called once per page and key. A failure is not cached: the next widget tries again.
 * @param {string} key
 * @param {() => Promise<any>} load
 */
export function once(key, load) {
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
export async function importModule(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    return await importFrom(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {string} url */
export const importFrom = async (url) => (await import(/* webpackIgnore: true */ /* @vite-ignore */ url)).default;

/**
 * What the shared module exports; its style sheet is on the page then.
 * @param {import("./types").Model} model
 */
export async function sharedCode(model) {
  const from = await library(model);
  const [code, style] = [from.get("code"), from.get("style")];
  await once(style, async () => {
    element("style", "prunelab-style", document.head).textContent = style;
  });
  return once(code, () => importModule(code));
}
