// A slider over the moments of a run (scrubber.py). The model's state is the truth; what is dragged goes into it at most once
// a frame, the latest wins.

import { button, element } from "./dom.js";

const CALM = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)");
const GAP = 10; // pixels between two labels

/**
 * Not `disabled`: the focus would be lost, and nobody but a mouse could read why.
 * @param {HTMLElement} target
 * @param {boolean} allowed
 * @param {string} title
 */
function allow(target, allowed, title) {
  target.setAttribute("aria-disabled", String(!allowed));
  target.title = title;
}

/** @typedef {{ label: string, short?: string, mark?: string }} Moment of a run, as the model tells it */

/** @param {Moment | undefined} moment */
const settled = (moment) => moment?.mark === "settled";

/** @param {import("./types").RenderArguments} view */
function render({ model, el }) {
  const root = element("div", "prunelab-scrubber", el);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys and space for itself
  root.setAttribute("role", "group");
  const bar = element("div", "prunelab-scrubber-bar", root);
  const play = button("", "prunelab-scrubber-play", bar);
  const words = element("div", "prunelab-scrubber-words", bar);
  const name = element("span", "prunelab-scrubber-name", words);
  words.append(" ");
  const place = element("span", "prunelab-scrubber-count", words);
  const live = button("Back to live", "prunelab-scrubber-live", bar);
  const track = element("div", "prunelab-scrubber-track", root);
  const range = element("input", "prunelab-scrubber-range", track);
  const ticks = element("div", "prunelab-scrubber-ticks", track);
  Object.assign(range, { type: "range", min: "0", step: "1" });
  ticks.setAttribute("aria-hidden", "true");

  let frame = 0;
  /** @type {number | null} */
  let wanted = null; // what the next frame writes into the model
  let timer = 0;
  let held = false; // the pointer is on the slider: its scale stays as it is until it is let go
  let drawn = ""; // the ticks on the page

  const moments = () => /** @type {Moment[]} */ (model.get("moments"));
  const newest = () => moments().length - 1;
  const position = () => /** @type {number | null} */ (model.get("position"));

  /**
   * @param {number | null} next
   * @param {boolean} playing
   */
  function write(next, playing) {
    model.set("position", next);
    model.set("playing", playing);
    model.save_changes();
  }

  function ask(/** @type {number | null} */ next) {
    wanted = next;
    frame ||= requestAnimationFrame(flush);
  }

  function flush() {
    cancelAnimationFrame(frame);
    frame = 0;
    write(wanted, false);
  }

  // The right end is now.
  const asPosition = (/** @type {number} */ index) => (index >= newest() ? null : Math.max(index, 0));

  // ---- playing

  function plan() {
    clearTimeout(timer);
    // Nobody sees a hidden page, and its clock is slowed down: another tab may go on.
    if (!model.get("playing") || document.hidden || newest() < 1) return;
    const speed = CALM?.matches ? Math.min(1, model.get("speed")) : model.get("speed");
    timer = setTimeout(step, 1000 / speed);
  }

  // Two tabs that play the same run ask for the same moment, so that it does not go twice as fast.
  function step() {
    let next = (position() ?? -1) + 1;
    if (CALM?.matches) while (next < newest() && !settled(moments()[next])) next += 1;
    const over = next >= newest();
    write(over ? null : next, !over);
  }

  play.addEventListener("click", () => {
    if (newest() < 1) return;
    if (model.get("playing")) write(position(), false);
    else write(position() ?? 0, true);
  });

  live.addEventListener("click", () => {
    if (position() !== null) write(null, false);
  });

  // ---- the slider

  range.addEventListener("pointerdown", () => {
    held = true;
  });
  const release = () => {
    if (!held) return;
    held = false;
    if (frame) flush();
    draw();
  };
  range.addEventListener("pointerup", release);
  range.addEventListener("pointercancel", release);
  range.addEventListener("change", release);
  range.addEventListener("input", () => {
    const index = Number(range.value);
    ask(index >= Number(range.max) ? null : asPosition(index));
  });
  range.addEventListener("keydown", (event) => {
    if (event.key !== "PageUp" && event.key !== "PageDown") return;
    event.preventDefault();
    const at = frame && wanted !== null ? wanted : (position() ?? newest());
    const step = event.key === "PageUp" ? -1 : 1;
    let index = at + step;
    while (index > 0 && index < newest() && !settled(moments()[index])) index += step;
    ask(asPosition(index));
  });

  // ---- what is on the page

  function drawTicks() {
    const shown = moments()
      .map((moment, index) => ({ index, label: moment.short ?? moment.label, settled: settled(moment) }))
      .filter((tick) => tick.settled);
    const key = JSON.stringify([newest(), shown]);
    if (key === drawn) return;
    drawn = key;
    ticks.replaceChildren();
    for (const { index, label } of shown) {
      const part = newest() > 0 ? index / newest() : 1;
      const tick = element("i", "prunelab-scrubber-tick", ticks);
      tick.style.left = `${100 * part}%`;
      const text = element("span", "prunelab-scrubber-label", ticks);
      text.textContent = label;
      text.dataset.part = String(part);
    }
    fit();
  }

  // A label stands under its tick where it does not run into the one before it or out of the page.
  function fit() {
    const width = ticks.clientWidth;
    let free = 0;
    for (const each of ticks.querySelectorAll(".prunelab-scrubber-label")) {
      const text = /** @type {HTMLElement} */ (each);
      const own = text.offsetWidth;
      const left = Math.max(0, Math.min(width - own, Number(text.dataset.part) * width - own / 2));
      const fits = left >= free && own <= width;
      text.style.left = `${fits ? left : 0}px`;
      text.style.visibility = fits ? "visible" : "hidden";
      if (fits) free = left + own + GAP;
    }
  }

  function draw() {
    const count = moments().length;
    const at = position();
    const playing = model.get("playing");
    const index = at ?? newest();
    const moment = moments()[index];
    root.setAttribute("aria-label", model.get("label"));
    root.dataset.position = at === null ? "live" : String(at);
    root.dataset.state = count === 0 ? "empty" : playing ? "playing" : at === null ? "live" : "scrubbed";
    name.textContent = moment ? `${at === null ? "live: " : ""}${moment.label}` : "no moments yet";
    place.textContent = moment && at !== null ? `(${index + 1} of ${count})` : "";
    range.disabled = count < 2;
    range.setAttribute("aria-label", model.get("label"));
    range.setAttribute("aria-valuetext", (words.textContent ?? "").trim());
    if (!held) {
      range.max = String(Math.max(count - 1, 1));
      range.value = String(count < 2 ? 1 : index);
      drawTicks();
    }
    play.textContent = playing ? "Pause" : "Play";
    allow(play, count > 1, count > 1 ? "Show the run moment by moment" : "There is nothing to play yet");
    allow(live, at !== null, at === null ? "This is live already: the newest moment" : "Show the newest moment again");
  }

  const handlers = { moments: [draw], label: [draw], position: [draw, plan], playing: [draw, plan], speed: [plan] };
  for (const [trait, all] of Object.entries(handlers)) for (const each of all) model.on(`change:${trait}`, each);
  const sizes = new ResizeObserver(fit);
  sizes.observe(ticks);
  document.addEventListener("visibilitychange", plan);
  draw();
  plan();

  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    sizes.disconnect();
    document.removeEventListener("visibilitychange", plan);
    for (const [trait, all] of Object.entries(handlers)) for (const each of all) model.off(`change:${trait}`, each);
    root.remove();
  };
}

export default { render };
