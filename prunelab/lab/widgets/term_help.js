// A "?" beside a term, which opens what the glossary says about it (views/glossary.py). The text is in the browser's top layer:
// no panel clips it, Escape or a press elsewhere closes it, and it is announced because it is a status that gets its words when
// it opens.

import { element } from "./dom.js";

const GAP = 6; // px between the button and its text, and to the edges of the window

/**
 * A button that explains a term, at the end of `parent`.
 * @param {Element} parent
 * @param {string} term
 * @param {string} text what to say about it
 * @param {{ number?: number, title?: string }} [lesson] that is about it
 */
export function termHelp(parent, term, text, lesson = {}) {
  const box = element("span", "prunelab-term", parent);
  const opener = element("button", "prunelab-term-button", box);
  opener.type = "button";
  opener.textContent = "?";
  opener.setAttribute("aria-label", `What is ${term}?`);
  opener.setAttribute("aria-expanded", "false");
  const bubble = element("span", "prunelab-term-text", box);
  bubble.id = `prunelab-term-${Math.random().toString(36).slice(2)}`; // several scripts of a page carry this one
  bubble.setAttribute("role", "status");
  bubble.setAttribute("popover", "auto");
  opener.setAttribute("aria-controls", bubble.id);
  opener.setAttribute("popovertarget", bubble.id);

  const close = () => bubble.hidePopover();
  bubble.addEventListener("toggle", (event) => {
    const isOpen = /** @type {ToggleEvent} */ (event).newState === "open";
    opener.setAttribute("aria-expanded", String(isOpen));
    bubble.replaceChildren();
    if (isOpen) {
      element("strong", "", bubble).textContent = `${term[0].toUpperCase()}${term.slice(1)}. `;
      bubble.append(text);
      if (lesson.title) learn(bubble, lesson);
      place(bubble, opener);
      addEventListener("scroll", close, { capture: true, once: true });
      addEventListener("resize", close, { once: true });
    } else {
      removeEventListener("scroll", close, { capture: true });
      removeEventListener("resize", close);
    }
  });
  return box;
}

/**
 * Names the lesson. A served page can open the lab as the lesson has it; in a notebook the lesson is opened by a command.
 * @param {Element} bubble
 * @param {{ number?: number, title?: string }} lesson
 */
function learn(bubble, { number, title }) {
  const line = element("span", "prunelab-term-lesson", bubble);
  const name = `lesson ${number}, ${title}`;
  if (document.body.dataset.voila === undefined) {
    line.textContent = `More in ${name}: prunelab lab --lesson ${number}`;
    return;
  }
  line.textContent = "Try it as in ";
  const link = element("a", "", line);
  link.href = `?lesson=${number}`;
  link.target = "_blank";
  link.textContent = name;
}

/**
 * Below the button or, where there is no room, above it; within the window.
 * @param {HTMLElement} bubble
 * @param {Element} opener
 */
function place(bubble, opener) {
  const at = opener.getBoundingClientRect();
  const size = bubble.getBoundingClientRect();
  const left = Math.min(Math.max(GAP, at.left + at.width / 2 - size.width / 2), innerWidth - size.width - GAP);
  const isRoomBelow = at.bottom + GAP + size.height <= innerHeight;
  const top = isRoomBelow ? at.bottom + GAP : Math.max(GAP, at.top - GAP - size.height);
  bubble.style.left = `${Math.max(GAP, left)}px`;
  bubble.style.top = `${top}px`;
}
