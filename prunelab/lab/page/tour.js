// A tour of five steps over the real page, for a first visit. It covers nothing that a step is about, and is skipped with
// one key.

import { button, element, write } from "../widgets/dom.js";

const REMEMBERED = "prunelab.tour"; // key of localStorage: whether this browser has seen it
const SHOWN = "pl-toured"; // class of what a step is about

/** @type {[selector: string, words: string][]} */
const STEPS = [
  [".pl-prune .prunelab-number", "Drag this slider. It moves the threshold: weights that are smaller would be cut."],
  [".pl-weights", "All weights of each layer. Orange lies below the threshold and would go; blue would stay."],
  [
    ".pl-prune .pl-buttons:has(> :not(.prunelab-hidden))",
    "Prune cuts them. Watch what that costs: the accuracy stands at the top of the page.",
  ],
  [".pl-retrain", "Retrain lets the survivors learn again; what is cut stays zero. Then prune again, a little deeper."],
  [".pl-foot", "Every moment of the run is kept here: drag back to look at it, and forward to go on."],
];

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED) !== null;
  } catch {
    return true; // a browser that keeps nothing would show it at every visit
  }
}

function remember() {
  try {
    localStorage.setItem(REMEMBERED, "seen");
  } catch (error) {
    console.debug("[prunelab] this browser keeps nothing", error);
  }
}

/**
 * What a step is about, as soon as it is there to be seen.
 * @param {Element} lab
 * @param {string} selector
 */
const visible = (lab, selector) => [...lab.querySelectorAll(selector)].find((each) => each.checkVisibility());

/**
 * Shows the tour in the lab. Returns a function that ends it.
 * @param {Element} lab
 */
export function showTour(lab) {
  lab.querySelector(".pl-tour")?.dispatchEvent(new Event("end"));
  const card = element("section", "pl-tour", lab);
  card.popover = "manual"; // on top of the window: what scrolls would take it along
  card.setAttribute("role", "region");
  card.setAttribute("aria-label", "a short tour of this page");
  const count = element("p", "pl-tour-count", card);
  const words = element("p", "pl-tour-words", card);
  words.setAttribute("aria-live", "polite");
  const bar = element("div", "pl-tour-bar", card);
  const next = button("Next", "mod-primary", bar);
  const skip = button("Skip (Esc)", "", bar);
  const there = () => STEPS.filter(([selector]) => visible(lab, selector)); // a link may hide what others are about
  let steps = there();
  let at = -1;
  const ended = new AbortController();
  /** @type {Element | undefined} */
  let shown;

  const bringIntoView = () => shown?.scrollIntoView({ block: "nearest" });
  const sizes = new ResizeObserver(bringIntoView); // pictures and notices that come in later move what lies below them
  const unmark = () => {
    for (const marked of lab.querySelectorAll(`.${SHOWN}`)) marked.classList.remove(SHOWN);
  };
  const end = () => {
    unmark();
    card.remove();
    sizes.disconnect();
    changes.disconnect();
    ended.abort();
    remember();
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") end();
  };
  const advance = () => {
    at += 1;
    const step = steps[at];
    if (!step) return end();
    unmark();
    const [selector, text] = step;
    shown = visible(lab, selector);
    shown?.classList.add(SHOWN);
    bringIntoView();
    sizes.observe(lab);
    words.textContent = text;
    say();
  };
  const say = () => {
    write(count, `${at + 1} of ${steps.length}`);
    write(next, at === steps.length - 1 ? "Done" : "Next");
    skip.hidden = at === steps.length - 1;
  };
  // What the link of the page hides may be there still when the tour begins.
  const changes = new MutationObserver(() => {
    const found = there();
    const now = found.indexOf(steps[at]);
    if (found.length === steps.length || now < 0) return;
    [steps, at] = [found, now];
    say();
  });
  changes.observe(lab, { subtree: true, attributes: true, attributeFilter: ["class"] });
  next.addEventListener("click", advance);
  skip.addEventListener("click", end);
  card.addEventListener("end", end);
  addEventListener("keydown", pressed, { signal: ended.signal });
  for (const gesture of ["wheel", "pointerdown", "keydown"]) // whoever scrolls or presses is where they want to be
    lab.addEventListener(gesture, () => sizes.disconnect(), { signal: ended.signal, passive: true });
  card.showPopover();
  advance();
  return end;
}

/**
 * Shows the tour on a first visit to a page of ours, as soon as there are a network to look at and a slider to drag.
 * @param {Element} lab
 */
export function welcome(lab) {
  if (document.body.dataset.voila === undefined || remembered() || lab.querySelector(".pl-tour")) return;
  if (lab.getAttribute("data-state") === "ready" && visible(lab, STEPS[0]?.[0] ?? "")) showTour(lab);
}
