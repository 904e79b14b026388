// Loads the code that all plots of a page share, from the model of their library (plot.py). This file is sent with every plot.

import { element } from "./dom.js";
import { sharedCode } from "./shared_code.js";

/** @param {import("./types").InitializeArguments} arguments_ */
function initialize(arguments_) {
  // Starts loading before there is an element to draw in. render() reports failures there.
  sharedCode(arguments_.model)
    .then((plot) => plot.initialize(arguments_))
    .catch(() => {});
}

/** @param {import("./types").RenderArguments} arguments_ */
async function render({ model, el }) {
  try {
    return (await sharedCode(model)).render({ model, el });
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
