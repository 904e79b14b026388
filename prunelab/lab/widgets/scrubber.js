// A slider over the snapshots of a run (scrubber.py; the trait is called `moments`). The model holds the state; while the user
// drags, the latest position is written to it at most once per frame.

import { followClasses } from "./classes.js";
import { button, element } from "./dom.js";

const REDUCED_MOTION = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)");
const GAP = 10; // px, minimum between two labels

/**
 * Sets aria-disabled, not `disabled`, which loses the focus and hides the reason from touch and keyboard users.
 * @param {HTMLElement} target
 * @param {boolean} allowed
 * @param {string} title
 */
function setAllowed(target, allowed, title) {
  target.setAttribute("aria-disabled", String(!allowed));
  target.title = title;
}

/** @typedef {{ label: string, short?: string, mark?: string, place?: number, id?: unknown }} Snapshot of a run, as the model describes it */

/** @param {Snapshot | undefined} snapshot */
const settled = (snapshot) => snapshot?.mark === "settled";

/**
 * Where a snapshot stands on the slider, from 0 to 1.
 * @param {Snapshot[]} all
 * @param {number} index
 */
const placeOf = (all, index) => all[index].place ?? index / Math.max(all.length - 1, 1);

/**
 * Index of the snapshot that stands nearest to a value of the slider.
 * @param {Snapshot[]} all
 * @param {number} value
 */
function nearest(all, value) {
  let best = 0;
  for (let index = 1; index < all.length; index += 1) {
    if (Math.abs(placeOf(all, index) - value) < Math.abs(placeOf(all, best) - value)) best = index;
  }
  return best;
}

/**
 * Index in `now` of the snapshot `before[index]` or, if it is gone, of the nearest one before it; as followed() in scrubber.py.
 * @param {Snapshot[]} before
 * @param {Snapshot[]} now
 * @param {number} index
 */
function followed(before, now, index) {
  if (before === now) return index;
  const identity = (/** @type {Snapshot} */ snapshot) => snapshot.id ?? snapshot.label;
  for (let i = index; i >= 0; i -= 1) {
    const found = now.findIndex((snapshot) => identity(snapshot) === identity(before[i]));
    if (found >= 0) return found;
  }
  return 0;
}

/** @param {import("./types").RenderArguments} view */
function render({ model, el }) {
  followClasses({ model, el });
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
  Object.assign(range, { type: "range", min: "0", max: "1", step: "any" });
  ticks.setAttribute("aria-hidden", "true");

  let frame = 0;
  /** @type {number | null} */
  let nextPosition = null; // position that the next frame writes to the model
  let timer = 0;
  let isDragging = false; // a pointer holds the slider, whose scale stays fixed until it is released
  /** @type {Snapshot[]} */
  let scale = []; // snapshots that the slider and its ticks are drawn for
  let drawnTicks = ""; // key of the ticks on the page

  const snapshots = () => /** @type {Snapshot[]} */ (model.get("moments"));
  const newest = () => snapshots().length - 1;
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

  function scheduleWrite(/** @type {number | null} */ next) {
    nextPosition = next;
    frame ||= requestAnimationFrame(flush);
  }

  function flush() {
    cancelAnimationFrame(frame);
    frame = 0;
    write(nextPosition, false);
  }

  // The right end means live: null.
  const asPosition = (/** @type {number} */ index) => (index >= newest() ? null : Math.max(index, 0));
  // Index of the snapshot that is shown, or will be after the next frame.
  const shown = () => (frame ? nextPosition : position()) ?? newest();

  // ---- playing

  function planStep() {
    clearTimeout(timer);
    // A hidden page does not play: browsers slow its timers down. A visible tab may go on.
    if (!model.get("playing") || document.hidden || newest() < 1) return;
    const speed = REDUCED_MOTION?.matches ? Math.min(1, model.get("speed")) : model.get("speed");
    timer = setTimeout(step, 1000 / speed);
  }

  // Computed from the shared position: two tabs that play the same run write the same position, and do not double the speed.
  function step() {
    let next = (position() ?? -1) + 1;
    if (REDUCED_MOTION?.matches) while (next < newest() && !settled(snapshots()[next])) next += 1;
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
    isDragging = true;
  });
  const release = () => {
    if (!isDragging) return;
    isDragging = false;
    if (frame) flush();
    draw();
  };
  range.addEventListener("pointerup", release);
  range.addEventListener("pointercancel", release);
  range.addEventListener("change", release);
  range.addEventListener("input", () => {
    const value = Number(range.value);
    let index = nearest(scale, value);
    // Assistive technology steps by a hundredth of the slider, whichever snapshots stand there.
    if (!isDragging && index === shown()) index += Math.sign(value - placeOf(scale, index));
    scheduleWrite(index >= scale.length - 1 ? null : asPosition(followed(scale, snapshots(), index)));
  });
  range.addEventListener("keydown", (event) => {
    const index = indexAfter(event.key, shown());
    if (index === null || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    scheduleWrite(asPosition(index));
  });

  /**
   * Index of the snapshot that a key leads to; null if the key is none of a slider's.
   * @param {string} key
   * @param {number} from
   */
  function indexAfter(key, from) {
    if (key === "ArrowLeft" || key === "ArrowDown") return from - 1;
    if (key === "ArrowRight" || key === "ArrowUp") return from + 1;
    if (key === "Home") return 0;
    if (key === "End") return newest();
    if (key !== "PageUp" && key !== "PageDown") return null;
    const step = key === "PageUp" ? -1 : 1;
    let index = from + step;
    while (index > 0 && index < newest() && !settled(snapshots()[index])) index += step;
    return index;
  }

  // ---- the elements on the page

  function drawTicks() {
    const marks = scale
      .map((snapshot, index) => ({
        place: scale.length > 1 ? placeOf(scale, index) : 1,
        label: snapshot.short ?? snapshot.label,
        settled: settled(snapshot),
      }))
      .filter((mark) => mark.settled);
    const key = JSON.stringify(marks);
    if (key === drawnTicks) return;
    drawnTicks = key;
    ticks.replaceChildren();
    for (const { place, label } of marks) {
      const tick = element("i", "prunelab-scrubber-tick", ticks);
      tick.style.left = `${100 * place}%`;
      const text = element("span", "prunelab-scrubber-label", ticks);
      text.textContent = label;
      text.dataset.place = String(place);
    }
    placeLabels();
  }

  // A label is shown under its tick if it fits on the page and does not overlap the previous one.
  function placeLabels() {
    const width = ticks.clientWidth;
    let nextFree = 0;
    for (const each of ticks.querySelectorAll(".prunelab-scrubber-label")) {
      const text = /** @type {HTMLElement} */ (each);
      const labelWidth = text.offsetWidth;
      const left = Math.max(0, Math.min(width - labelWidth, Number(text.dataset.place) * width - labelWidth / 2));
      const fits = left >= nextFree && labelWidth <= width;
      text.style.left = `${fits ? left : 0}px`;
      text.style.visibility = fits ? "visible" : "hidden";
      if (fits) nextFree = left + labelWidth + GAP;
    }
  }

  function draw() {
    const count = snapshots().length;
    const at = position();
    const playing = model.get("playing");
    const index = at ?? newest();
    const snapshot = snapshots()[index];
    root.setAttribute("aria-label", model.get("label"));
    root.dataset.position = at === null ? "live" : String(at);
    root.dataset.state = count === 0 ? "empty" : playing ? "playing" : at === null ? "live" : "scrubbed";
    const label = at === null ? `live: ${model.get("newest") || snapshot?.label}` : snapshot?.label;
    name.textContent = (snapshot && label) || "no moments yet";
    place.textContent = snapshot && at !== null ? `(${index + 1} of ${count})` : "";
    range.disabled = count < 2;
    range.setAttribute("aria-label", model.get("label"));
    range.setAttribute("aria-valuetext", (words.textContent ?? "").trim());
    if (!isDragging) {
      scale = snapshots();
      range.value = String(count < 2 ? 1 : placeOf(scale, index));
      drawTicks();
    }
    play.textContent = playing ? "Pause" : "Play";
    setAllowed(play, count > 1, count > 1 ? "Show the run moment by moment" : "There is nothing to play yet");
    setAllowed(
      live,
      at !== null,
      at === null ? "This is live already: the newest moment" : "Show the newest moment again",
    );
  }

  const handlers = {
    moments: [draw],
    newest: [draw],
    label: [draw],
    position: [draw, planStep],
    playing: [draw, planStep],
    speed: [planStep],
  };
  for (const [trait, all] of Object.entries(handlers)) for (const each of all) model.on(`change:${trait}`, each);
  const sizes = new ResizeObserver(placeLabels);
  sizes.observe(ticks);
  document.addEventListener("visibilitychange", planStep);
  draw();
  planStep();

  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    sizes.disconnect();
    document.removeEventListener("visibilitychange", planStep);
    for (const [trait, all] of Object.entries(handlers)) for (const each of all) model.off(`change:${trait}`, each);
    root.remove();
  };
}

export default { render };
