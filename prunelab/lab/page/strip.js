// One line at the top of the window with the state and the cards' numbers, while the top of the page is out of view.

import { element, write } from "../widgets/dom.js";

const IF_CUT = /^(.*) if cut now$/;

/** @param {{ name: string, value: string, more: string }} card */
function said({ name, value, more }) {
  const [, cut] = IF_CUT.exec(more) ?? [];
  return `${name} ${value}${cut ? ` → ${cut}` : ""}`;
}

/**
 * Shows the strip above the deck as soon as what lies above the deck has been scrolled away.
 * @param {import("../widgets/types").RenderArguments["model"]} model of the status
 * @returns {{ draw: () => void, follow: (root: Element) => void, stop: () => void }} follow: the lab that it is part of
 */
export function summaryStrip(model) {
  const strip = document.createElement("div");
  strip.className = "pl-strip";
  strip.setAttribute("aria-hidden", "true"); // all of it stands at the top, too
  const numbers = element("span", "pl-strip-numbers", strip);
  const state = element("span", "pl-strip-state", strip);
  const trouble = element("span", "pl-strip-trouble", strip);
  /** @type {Element | null} */
  let above = null;
  /** @param {IntersectionObserverEntry[]} entries */
  const seen = (entries) => {
    const last = entries[entries.length - 1];
    const gone = !last.isIntersecting && last.boundingClientRect.bottom <= (last.rootBounds?.top ?? 0) + 1;
    last.target.closest(".prunelab")?.classList.toggle("pl-scrolled", gone);
  };
  const watcher = new IntersectionObserver(seen);
  return {
    draw() {
      /** @type {{ name: string, value: string, more: string }[]} */
      const cards = model.get("cards");
      const told = cards.filter((card) => card.value !== "–");
      write(numbers, told.map(said).join(" · "));
      write(state, model.get("text"));
      write(trouble, model.get("trouble").split("\n")[0]);
      trouble.hidden = !model.get("trouble");
    },
    follow(root) {
      const [tools, deck] = [".pl-tools", ".pl-deck"].map((name) => root.querySelector(`:scope > ${name}`));
      if (!tools || !deck) return;
      if (strip.parentElement !== deck) deck.append(strip);
      if (above === tools) return;
      if (above) watcher.unobserve(above);
      above = tools;
      watcher.observe(tools);
    },
    stop() {
      watcher.disconnect();
      strip.remove();
    },
  };
}
