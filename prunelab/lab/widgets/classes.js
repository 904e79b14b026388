// CSS classes that a widget gets or loses while it is shown (shared_looks.py). anywidget takes off ipywidgets' own listeners.

/**
 * Keeps the classes of a widget's element as the kernel sets them.
 * @param {import("./types").RenderArguments} view
 */
export function followClasses({ model, el }) {
  /** @type {string[]} */
  let shown = model.get("_dom_classes");
  model.on("change:_dom_classes", () => {
    /** @type {string[]} */
    const wanted = model.get("_dom_classes");
    el.classList.remove(...shown.filter((name) => !wanted.includes(name)));
    el.classList.add(...wanted);
    shown = wanted;
  });
}
