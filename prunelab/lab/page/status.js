// The top of the page. Also what only the browser can do for the rest of it: the state as data attributes on the
// lab's root (style sheets and tests read them), and names for sliders, which ipywidgets leaves nameless: for those that
// stand elsewhere in a notebook too, whether or not the page itself is shown.

import { element, write } from "../widgets/dom.js";

// ipywidgets puts a slider's name into a label beside it that no screen reader connects.
function nameSliders() {
  // A live list: to look for new handles costs nothing, however much has changed on the page.
  for (const handle of document.getElementsByClassName("noUi-handle")) {
    if (handle.hasAttribute("aria-label") || !handle.closest(".prunelab, .prunelab-control")) continue;
    const label = handle.closest(".widget-slider")?.querySelector(".widget-label");
    if (label) handle.setAttribute("aria-label", label.textContent ?? "");
  }
}

const HEARTBEAT = 10000; // ms; a page in the background may be held to once a minute

/**
 * Tells the kernel that somebody looks, and when the page closes. A kernel that is gone does not mind.
 * @param {import("../widgets/types").Model} model
 */
function announce(model) {
  const view = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  const tell = (/** @type {"here" | "gone"} */ kind) => {
    try {
      model.send({ kind, view });
    } catch (error) {
      console.debug("[prunelab] the kernel does not listen", error);
    }
  };
  const here = () => tell("here");
  const gone = () => tell("gone");
  here();
  const beat = setInterval(here, HEARTBEAT);
  addEventListener("pagehide", gone);
  addEventListener("pageshow", here);
  return () => {
    clearInterval(beat);
    removeEventListener("pagehide", gone);
    removeEventListener("pageshow", here);
    gone();
  };
}

/**
 * Folded parts open by a mouse only, as ipywidgets has them: here by keyboard too, and they say whether they are open.
 * @param {Element} root
 */
function openByKeyboard(root) {
  for (const each of root.querySelectorAll(".jupyter-widget-Collapse-header")) {
    const header = /** @type {HTMLElement} */ (each);
    const open = header.closest(".jupyter-widget-Collapse")?.classList.contains("jupyter-widget-Collapse-open");
    header.setAttribute("aria-expanded", String(open));
    if (header.getAttribute("role") === "button") continue;
    header.setAttribute("role", "button");
    header.tabIndex = 0;
    header.addEventListener("keydown", (event) => {
      if (event.target !== header || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      header.click();
    });
  }
}

// Runs on every page that has the lab's models: whatever is shown of it, and whenever.
function initialize() {
  const watcher = new MutationObserver(nameSliders);
  watcher.observe(document.body, { childList: true, subtree: true });
  nameSliders();
  return () => watcher.disconnect();
}

/** @param {import("../widgets/types").RenderArguments} view */
function render({ model, el }) {
  el.classList.add("prunelab-status");
  const bar = element("header", "pl-bar", el);
  element("h1", "pl-name", bar).textContent = "prunelab";
  const title = element("span", "pl-title", bar);
  const state = element("div", "pl-state", bar);
  const text = element("span", "pl-state-text", state);
  text.setAttribute("role", "status");
  const progress = element("progress", "pl-progress", state);
  progress.max = 1;
  progress.setAttribute("aria-label", "progress of the run");
  const banner = element("div", "pl-banner", el);
  banner.setAttribute("role", "alert");
  const cards = element("div", "pl-cards", el);
  // For whoever hears the page: the finding in words, whenever something has settled.
  const story = element("p", "pl-unseen", el);
  story.setAttribute("aria-live", "polite");

  const draw = () => {
    title.textContent = model.get("title");
    text.textContent = model.get("text");
    const part = model.get("progress");
    progress.hidden = part === null;
    progress.value = part ?? 0;
    banner.textContent = model.get("trouble");
    banner.hidden = !model.get("trouble");
    write(story, model.get("story"));
    /** @type {{ name: string, value: string, more: string }[]} */
    const shown = model.get("cards");
    while (cards.children.length > shown.length) cards.lastElementChild?.remove();
    shown.forEach((card, i) => {
      const box = /** @type {HTMLElement} */ (cards.children[i] ?? element("div", "pl-card", cards));
      if (!box.children.length) {
        element("span", "pl-label", box);
        element("span", "pl-value", box);
        element("span", "pl-more", box);
      }
      box.dataset.card = card.name;
      [card.name, card.value, card.more].forEach((words, j) => {
        write(box.children[j], words);
      });
    });
    mark();
  };

  const mark = () => {
    const root = el.closest(".prunelab");
    if (!root) return;
    const attributes = model.get("attributes");
    for (const name of [...root.getAttributeNames()]) {
      if (name.startsWith("data-") && !(name.slice(5) in attributes)) root.removeAttribute(name);
    }
    for (const [name, value] of Object.entries(attributes)) {
      if (root.getAttribute(`data-${name}`) !== value) root.setAttribute(`data-${name}`, value);
    }
    openByKeyboard(root);
  };

  const names = ["title", "text", "progress", "trouble", "cards", "story", "attributes"];
  for (const name of names) model.on(`change:${name}`, draw);
  draw();

  // The root is put into the page after its children are made, and sliders may come later still.
  const watcher = new MutationObserver(mark);
  watcher.observe(document.body, { childList: true, subtree: true });
  requestAnimationFrame(mark);
  const leave = announce(model);
  model.set("address", location.origin + location.pathname);
  model.save_changes();
  return () => {
    leave();
    watcher.disconnect();
    for (const name of names) model.off(`change:${name}`, draw);
  };
}

export default { initialize, render };
