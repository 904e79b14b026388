// Loads what all number fields of a page share (number_field.py). This file is sent with every one of them.

import { sharedCode } from "./shared_code.js";

/** @param {import("./types").InitializeArguments} arguments_ */
function initialize({ model }) {
  sharedCode(model).catch(() => {}); // before there is an element to show it in; render() reports a failure there
}

/** @param {import("./types").RenderArguments} arguments_ */
async function render(arguments_) {
  try {
    return (await sharedCode(arguments_.model))(arguments_);
  } catch (/** @type {any} */ error) {
    console.warn("[prunelab] no number field", error);
    arguments_.el.setAttribute("role", "alert");
    arguments_.el.textContent = `${arguments_.model.get("description")} cannot be shown: ${error?.message || error}`;
  }
}

export default { initialize, render };
