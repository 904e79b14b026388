// The top of the page. Also does what only the browser can do for the rest: writes the state to data attributes of the lab's
// root, for style sheets and tests.

import { button, element, setAttributes, together, write } from "../widgets/dom.js";
import { termHelp } from "../widgets/term_help.js";
import { keepAddress } from "./address.js";
import { watchKernel } from "./kernel_watch.js";
import { showPresets } from "./preset_view.js";
import { showFocusInRows } from "./row_focus.js";
import { listenToKeys } from "./stage_keys.js";
import { summaryStrip } from "./strip.js";
import { showTour, welcome } from "./tour.js";

/**
 * Makes collapsible parts, which ipywidgets opens by mouse only, open by keyboard and report whether they are open.
 * @param {Element} root
 */
function openByKeyboard(root) {
  for (const each of root.querySelectorAll(".jupyter-widget-Collapse-header")) {
    const header = /** @type {HTMLElement} */ (each);
    const open = header.closest(".jupyter-widget-Collapse")?.classList.contains("jupyter-widget-Collapse-open");
    setAttributes(header, { "aria-expanded": open });
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

const SESSION = /(^|&)session=[^&]*/; // in the query of the address

/**
 * Puts the id under which the lab is saved into the page's address: reload, history and bookmark bring the lab back.
 * @param {string} id
 */
function rememberSession(id) {
  if (!id || document.body.dataset.voila === undefined) return;
  const query = location.search.slice(1);
  const rest = query.replace(SESSION, "").replace(/^&/, "");
  const wanted = `?${rest}${rest && "&"}session=${id}`;
  if (location.search !== wanted)
    history.replaceState(history.state, "", `${location.pathname}${wanted}${location.hash}`);
}

/** @param {import("../widgets/types").RenderArguments} view */
function render({ model, el }) {
  el.classList.add("prunelab-status");
  const bar = element("header", "pl-bar", el);
  element("h1", "pl-name", bar).textContent = "prunelab";
  const title = element("span", "pl-title", bar);
  const tour = button("Tour", "pl-tour-again", bar);
  tour.title = "Five steps over this page";
  tour.addEventListener("click", () => {
    const lab = el.closest(".prunelab");
    if (lab) showTour(lab);
  });
  const banner = element("div", "pl-banner", bar);
  banner.setAttribute("role", "alert");
  const state = element("div", "pl-state", bar);
  const text = element("span", "pl-state-text", state);
  text.setAttribute("role", "status");
  const progress = element("progress", "pl-progress", state);
  progress.max = 1;
  progress.setAttribute("aria-label", "progress of the run");
  const cards = element("div", "pl-cards", el);
  // For screen readers: the finding in words, whenever the state has settled.
  const story = element("p", "pl-unseen", el);
  story.setAttribute("aria-live", "polite");

  const strip = summaryStrip(model);
  const draw = () => {
    strip.draw();
    write(title, model.get("title"));
    write(text, model.get("text"));
    const part = model.get("progress");
    progress.hidden = part === null;
    progress.value = part ?? 0;
    write(banner, model.get("trouble"));
    banner.hidden = !model.get("trouble");
    write(story, model.get("story"));
    /** @type {{ name: string, value: string, more: string }[]} */
    const shown = model.get("cards");
    while (cards.children.length > shown.length) cards.lastElementChild?.remove();
    shown.forEach((card, i) => {
      const box = /** @type {HTMLElement} */ (cards.children[i] ?? element("div", "pl-card", cards));
      if (box.dataset.card !== card.name) {
        box.replaceChildren();
        box.dataset.card = card.name;
        const head = element("span", "pl-label", box);
        element("span", "pl-label-text", head).textContent = card.name;
        const [term, about] = model.get("terms")[card.name] ?? [];
        if (term) termHelp(head, term, about);
        element("span", "pl-value", box);
        element("span", "pl-more", box);
      }
      write(box.children[1], card.value);
      write(box.children[2], card.more);
    });
    showAttributes();
  };

  const watch = watchKernel(model, el);
  const showAttributes = () => {
    const root = el.closest(".prunelab");
    if (!root) return;
    const attributes = model.get("attributes");
    for (const name of [...root.getAttributeNames()]) {
      const ours = name.startsWith("data-") && !name.startsWith("data-link"); // those say what only the page knows
      if (ours && !(name.slice(5) in attributes)) root.removeAttribute(name);
    }
    setAttributes(root, Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`data-${name}`, value])));
    openByKeyboard(root);
    strip.follow(root);
    welcome(root);
  };

  const remember = () => rememberSession(model.get("session"));
  model.on("change:session", remember);
  remember();
  const names = ["title", "text", "progress", "trouble", "cards", "story", "attributes"];
  const redraw = together(draw);
  for (const name of names) model.on(`change:${name}`, redraw);
  draw();

  // The root is inserted into the page after its children are created, and sliders may be inserted even later.
  const watcher = new MutationObserver(showAttributes);
  watcher.observe(document.body, { childList: true, subtree: true });
  requestAnimationFrame(() => {
    showAttributes();
    watch.show();
  });
  const root = () => el.closest(".prunelab");
  const stopKeys = listenToKeys(root);
  const stopRows = showFocusInRows(root);
  const stopPresets = showPresets(root);
  const leaveAddress = keepAddress(model);
  model.set("address", location.origin + location.pathname);
  model.save_changes();
  return () => {
    model.off("change:session", remember);
    watch.stop();
    strip.stop();
    stopKeys();
    stopRows();
    stopPresets();
    leaveAddress();
    watcher.disconnect();
    for (const name of names) model.off(`change:${name}`, redraw);
  };
}

export default { render };
