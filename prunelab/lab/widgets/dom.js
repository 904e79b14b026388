// DOM helpers that all scripts share.

/**
 * A new element at the end of `parent`.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {Element} parent
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className, parent) {
  const created = document.createElement(tag);
  created.className = className;
  parent.append(created);
  return created;
}

/**
 * A button styled like those of ipywidgets. className: additional classes, or "".
 * @param {string} text
 * @param {string} className
 * @param {Element} parent
 */
export function button(text, className, parent) {
  const created = element("button", `jupyter-button ${className}`.trim(), parent);
  created.type = "button";
  created.textContent = text;
  return created;
}

/**
 * Sets a text only if it differs: an unchanged text then costs no layout, and is not read aloud again.
 * @param {Element} target
 * @param {string} text
 */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Sets attributes, each only if it differs: whoever watches them, and the browser's styles, have nothing to do then.
 * @param {Element} target
 * @param {Record<string, unknown>} attributes
 */
export function setAttributes(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (target.getAttribute(name) !== String(value)) target.setAttribute(name, String(value));
  }
}

/**
 * A function that runs `work` once, soon, however often it is called: many traits of a widget change together.
 * @param {() => void} work
 */
export function together(work) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      work();
    });
  };
}

/**
 * The plain text of a string that plotly.js would interpret as HTML. Parsed in a separate document, where no script runs and
 * nothing is fetched.
 * @param {string} text
 * @returns {string}
 */
export const plain = (text) =>
  /[<&]/.test(text) ? (new DOMParser().parseFromString(text, "text/html").body.textContent ?? "") : text;

/** @param {number} milliseconds */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => resolve(undefined)));
