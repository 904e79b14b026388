// What the theme leaves out for keyboards and screen readers.

const SCROLLS = ".highlight pre, .table-wrapper, .math-wrapper, .cell_output";
/** @type {[string, string][]} */
const LANDMARKS = [
  [".sidebar-drawer", "All pages"],
  [".toc-drawer", "On this page"],
];

/**
 * What scrolls has to be reachable by keyboard; what does not would only be in the way.
 * @param {Element} box
 */
function reachable(box) {
  if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
  else box.removeAttribute("tabindex");
}

const watcher = new ResizeObserver((entries) => {
  for (const entry of entries) reachable(entry.target);
});

document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(SCROLLS)) {
    reachable(box); // now: the watcher's first word comes with a later frame
    watcher.observe(box);
  }
  for (const [part, name] of LANDMARKS) document.querySelector(part)?.setAttribute("aria-label", name);
});

// Excerpts of the pages found are fetched from a server; from the disk there is none, and the titles do.
if (location.protocol === "file:") {
  document.addEventListener("DOMContentLoaded", () => {
    // biome-ignore lint/correctness/noUndeclaredVariables: Sphinx's own, in documentation_options.js
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  });
}
