// What all our scripts do with a page.

/**
 * A new element at the end of `parent`.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {Element} parent
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent.append(made);
  return made;
}

/**
 * A button that looks like those of ipywidgets. className: more classes, or "".
 * @param {string} text
 * @param {string} className
 * @param {Element} parent
 */
export function button(text, className, parent) {
  const made = element("button", `jupyter-button ${className}`.trim(), parent);
  made.type = "button";
  made.textContent = text;
  return made;
}

/**
 * A text that stays the same costs no layout, and is not read out again.
 * @param {Element} target
 * @param {string} text
 */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * What plotly.js would read as a little HTML, as text; in a document of its own, where nothing runs or is fetched.
 * @param {string} text
 * @returns {string}
 */
export const plain = (text) =>
  /[<&]/.test(text) ? (new DOMParser().parseFromString(text, "text/html").body.textContent ?? "") : text;

/** @param {number} milliseconds */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => resolve(undefined)));
