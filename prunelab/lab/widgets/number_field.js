// A number that is dragged, typed, or moved by keyboard (number_field.py).

import { followClasses } from "./classes.js";
import { element, setAttributes, write } from "./dom.js";

const TEXT = /^[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?$/i;
const START = 6; // pixels that a finger moves sideways before it moves the value
const MANY = 10; // steps of PageUp and PageDown

/**
 * The number that a text says, NaN if none; a decimal comma is understood.
 * @param {string} text
 */
function parsed(text) {
  const bare = text.trim().replace("−", "-");
  return TEXT.test(bare) ? Number(bare.replace(",", ".")) : Number.NaN;
}

/** @param {number} value */
const tidy = (value) => Number(value.toPrecision(12));

/**
 * One unit in the second digit of a value.
 * @param {number} value
 */
const unit = (value) => 10 ** (Math.floor(Math.log10(value) + 1e-9) - 1);

/** @param {import("./types").RenderArguments} view */
function render({ model, el }) {
  followClasses({ model, el });
  el.classList.add("prunelab-number");
  const name = element("span", "prunelab-number-name", el);
  const track = element("div", "prunelab-number-track", el);
  const way = element("div", "prunelab-number-way", track);
  const handle = element("div", "prunelab-number-handle", track);
  handle.setAttribute("role", "slider");
  const input = element("input", "", el);
  input.type = "text";
  input.inputMode = "decimal";
  input.autocomplete = "off";
  const wrong = element("p", "prunelab-number-wrong", el);
  wrong.setAttribute("role", "alert");
  wrong.hidden = true;

  const get = (/** @type {string} */ trait) => model.get(trait);
  const words = (/** @type {number} */ value) => {
    const least = get("decimals");
    return value.toFixed(least) === String(tidy(value)) || tidy(Number(value.toFixed(least))) === tidy(value)
      ? value.toFixed(least)
      : String(tidy(value));
  };
  const allowed = () => {
    const [low, high] = get("bounds");
    const from = low === null ? "" : get("above") ? ` above ${low}` : ` from ${low}`;
    return `${get("integer") ? "a whole number" : "a number"}${from}${high === null ? "" : ` to ${high}`}`;
  };
  const refused = (/** @type {number} */ value) => {
    const [low, high] = get("bounds");
    return (
      !Number.isFinite(value) ||
      (low !== null && (get("above") ? value <= low : value < low)) ||
      (high !== null && value > high) ||
      (get("integer") && !Number.isInteger(value))
    );
  };

  const toPart = (/** @type {number} */ value) => {
    const [min, max] = [get("min"), get("max")];
    if (max <= min) return 0;
    const part = get("logarithmic") ? Math.log(value / min) / Math.log(max / min) : (value - min) / (max - min);
    return Math.min(Math.max(part, 0), 1);
  };
  const fromPart = (/** @type {number} */ part) => {
    const [min, max, step] = [get("min"), get("max"), get("step")];
    const inside = Math.min(Math.max(part, 0), 1);
    if (get("logarithmic")) {
      const value = min * (max / min) ** inside;
      return Math.min(Math.max(tidy(Math.round(value / unit(value)) * unit(value)), min), max);
    }
    return tidy(Math.min(min + Math.round((inside * (max - min)) / step) * step, max));
  };
  const stepped = (/** @type {number} */ value, /** @type {number} */ steps) => {
    const [min, max, step] = [get("min"), get("max"), get("step")];
    let moved = value;
    if (!get("logarithmic")) moved = value + steps * step;
    else
      for (let i = 0; i < Math.abs(steps); i++) {
        const least = unit(steps < 0 ? moved * 0.999 : moved);
        moved = tidy(moved + Math.sign(steps) * Math.max(least, Math.round((moved * 0.05) / least) * least));
      }
    return tidy(Math.min(Math.max(moved, min), max));
  };

  const complain = (/** @type {string} */ text) => {
    write(wrong, text);
    wrong.hidden = !text;
    setAttributes(input, { "aria-invalid": Boolean(text) });
  };
  const draw = () => {
    const value = get("value");
    const isDisabled = get("disabled");
    write(name, get("description"));
    setAttributes(el, { title: get("tooltip"), "data-track": get("track"), "data-disabled": isDisabled });
    track.hidden = !get("track");
    track.style.setProperty("--at", `${100 * toPart(value)}%`);
    way.hidden = track.hidden;
    setAttributes(handle, {
      "aria-label": get("description"),
      "aria-valuemin": get("min"),
      "aria-valuemax": get("max"),
      "aria-valuenow": tidy(value),
      "aria-valuetext": words(value),
      "aria-disabled": isDisabled,
      tabindex: isDisabled ? -1 : 0,
    });
    input.disabled = isDisabled;
    setAttributes(input, { "aria-label": get("track") ? `${get("description")}, typed` : get("description") });
    if (document.activeElement !== input || input.getAttribute("aria-invalid") !== "true") {
      input.value = words(value);
    }
  };

  // ---- the value, from whatever hand

  const set = (/** @type {number} */ value) => {
    complain("");
    if (value === get("value")) return;
    // As ipywidgets' own controls do: pictures follow a hand at once, and leave what the kernel sets to the kernel.
    model.set("value", value, { updated_view: el });
    model.save_changes();
  };
  const release = () => model.send({ kind: "released" });

  const type = () => {
    if (input.value === words(get("value"))) {
      complain("");
      return;
    }
    const value = parsed(input.value);
    if (refused(value)) {
      complain(`“${input.value.slice(0, 40)}”: must be ${allowed()}. It is still ${words(get("value"))}.`);
      return;
    }
    set(value);
    input.value = words(value);
    release();
  };
  input.addEventListener("change", type);
  input.addEventListener("keydown", (event) => {
    event.stopPropagation(); // neither JupyterLab's nor the page's keys
    if (event.key === "Enter") type();
    if (event.key === "Escape") {
      complain("");
      input.value = words(get("value"));
    }
  });

  let keyed = false;
  handle.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's: Alt and an arrow goes back a page
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: MANY, PageDown: -MANY }[event.key];
    const end = { Home: get("min"), End: get("max") }[event.key];
    if ((steps === undefined && end === undefined) || get("disabled")) return;
    event.preventDefault();
    event.stopPropagation();
    keyed = true;
    set(end ?? stepped(get("value"), steps ?? 0));
  });
  const keysUp = () => {
    if (keyed) release();
    keyed = false;
  };
  handle.addEventListener("keyup", keysUp);
  handle.addEventListener("blur", keysUp);

  /** @type {{ id: number, x: number, moves: boolean, moved: boolean } | null} */
  let held = null;
  const follow = (/** @type {PointerEvent} */ event) => {
    if (held) held.moved = true;
    const { left, width } = track.getBoundingClientRect();
    set(fromPart((event.clientX - left) / width));
  };
  track.addEventListener("pointerdown", (event) => {
    if (get("disabled") || held || (event.pointerType === "mouse" && event.button !== 0)) return;
    const finger = event.pointerType === "touch";
    held = { id: event.pointerId, x: event.clientX, moves: !finger, moved: false };
    track.setPointerCapture(event.pointerId);
    if (finger) return; // it may be on its way up or down the page
    event.preventDefault();
    handle.focus({ preventScroll: true });
    if (event.target !== handle) follow(event);
  });
  track.addEventListener("pointermove", (event) => {
    if (!held || event.pointerId !== held.id) return;
    if (!held.moves && Math.abs(event.clientX - held.x) > START) held.moves = true;
    if (held.moves && event.clientX !== held.x) follow(event);
  });
  const letGo = (/** @type {PointerEvent} */ event) => {
    if (!held || event.pointerId !== held.id) return;
    if (!held.moves && event.type === "pointerup") follow(event); // a tap
    const { moved } = held;
    held = null;
    if (moved) release();
  };
  track.addEventListener("pointerup", letGo);
  track.addEventListener("pointercancel", letGo);

  const names = ["value", "bounds", "above", "integer", "track", "logarithmic", "min", "max", "step", "decimals"];
  names.push("description", "tooltip", "disabled");
  for (const trait of names) model.on(`change:${trait}`, draw);
  draw();
  const heard = (/** @type {{ kind?: string }} */ message) => {
    // It may have been hidden until now: the focus needs a layout.
    if (message.kind === "focus") requestAnimationFrame(() => (get("track") ? handle : input).focus());
  };
  model.on("msg:custom", heard);
  return () => {
    model.off("msg:custom", heard);
    for (const trait of names) model.off(`change:${trait}`, draw);
  };
}

export default render;
