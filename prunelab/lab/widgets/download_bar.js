// Buttons for what is made on demand (download_bar.py). Which buttons there are is state; what they fetch is not: it goes to the
// page that asked, in pieces, and is kept here only as long as it can be saved again.

import { button, element, write } from "./dom.js";

const STALLED = 30_000; // ms without the next piece after which we give up

const UNITS = ["bytes", "KB", "MB", "GB"];

/** @param {number} bytes */
function size(bytes) {
  let unit = 0;
  let amount = bytes;
  while (amount >= 1000 && unit < UNITS.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${unit && amount < 100 ? amount.toFixed(1) : Math.round(amount)} ${UNITS[unit]}`;
}

/**
 * Without https there is no clipboard to ask for (a workshop on a local network); the old way needs a selection.
 * @param {string} text
 * @param {HTMLTextAreaElement} field
 */
async function copied(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field.hidden = false;
    field.select();
    return document.execCommand("copy");
  }
}

/** @typedef {{ name: string, label: string, tooltip?: string }} Item a button, as the model tells it */

/** @typedef {{ pieces: BlobPart[], received: number, transfer: string | null, timer: number }} Waiting */

/** @param {import("./types").RenderArguments} view */
function render({ model, el }) {
  const view = globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  const root = element("div", "prunelab-download", el);
  root.setAttribute("role", "group");
  root.dataset.state = "idle";
  root.dataset.item = "";
  const bar = element("div", "prunelab-download-bar", root);
  const status = element("p", "prunelab-download-status", root);
  status.setAttribute("role", "status");
  const field = element("textarea", "prunelab-download-field", root);
  Object.assign(field, { readOnly: true, rows: 3, hidden: true });
  field.dataset.lmSuppressShortcuts = "true";

  /** @type {Map<string, Waiting>} */
  const waiting = new Map(); // by name of an item that was asked for: what has come of it
  let saved = ""; // address of the file that can be saved again

  const label = (/** @type {string} */ name) =>
    model.get("items").find((/** @type {Item} */ item) => item.name === name)?.label ?? name;

  /**
   * @param {string} state
   * @param {string} name
   * @param {(Node | string)[]} parts
   */
  function tell(state, name, ...parts) {
    root.dataset.state = state;
    root.dataset.item = name;
    status.replaceChildren(...parts);
    status.hidden = !parts.length;
    field.hidden = true;
    draw();
  }

  function forget(/** @type {string} */ name) {
    clearTimeout(waiting.get(name)?.timer);
    waiting.delete(name);
  }

  function fail(/** @type {string} */ name, /** @type {string} */ words) {
    forget(name);
    tell("error", name, `${label(name)}: ${words}`);
  }

  function newKey() {
    const key = button("", "", bar);
    key.addEventListener("click", () => press(key.dataset.item ?? ""));
    return key;
  }

  function draw() {
    root.setAttribute("aria-label", model.get("label"));
    /** @type {Item[]} */
    const items = model.get("items");
    const disabled = model.get("disabled");
    while (bar.children.length > items.length) bar.lastElementChild?.remove();
    items.forEach((item, i) => {
      const key = /** @type {HTMLButtonElement} */ (bar.children[i] ?? newKey());
      key.dataset.item = item.name;
      write(key, item.label);
      key.title = disabled[item.name] || item.tooltip || "";
      // Not `disabled`: the focus would be lost, and by finger or keyboard nobody could read why.
      key.setAttribute("aria-disabled", String(item.name in disabled || waiting.has(item.name)));
      key.setAttribute("aria-busy", String(waiting.has(item.name)));
    });
  }

  function press(/** @type {string} */ name) {
    const reason = model.get("disabled")[name];
    if (reason !== undefined) return tell("error", name, `${label(name)}: ${reason}`);
    if (waiting.has(name)) return undefined;
    waiting.set(name, { pieces: [], received: 0, transfer: null, timer: 0 });
    tell("waiting", name, `${label(name)}: asked for, being made…`);
    return model.send({ kind: "request", name, view });
  }

  /**
   * @param {Blob} blob
   * @param {string} filename
   * @param {string} name
   */
  function save(blob, filename, name) {
    if (saved) URL.revokeObjectURL(saved);
    saved = URL.createObjectURL(blob);
    // Stays on the page: some browsers ask first, and a file may be wanted twice.
    const link = document.createElement("a");
    link.href = saved;
    link.download = filename;
    link.textContent = filename;
    tell("done", name, `${label(name)}: downloaded `, link, ` (${size(blob.size)})`);
    link.click();
  }

  /**
   * @param {{ name: string, index: number, count: number, transfer: string, size: number, mime: string, filename: string }} message
   * @param {DataView<ArrayBuffer>} piece
   */
  function take(message, piece) {
    const { name, index, count, transfer } = message;
    const state = waiting.get(name);
    if (!state) return; // given up
    state.transfer ??= transfer;
    if (transfer !== state.transfer || index !== state.pieces.length) return;
    clearTimeout(state.timer);
    state.pieces.push(piece);
    state.received += piece.byteLength;
    model.send({ kind: "thanks", transfer, index });
    if (state.pieces.length < count) {
      state.timer = setTimeout(() => fail(name, "the download stopped on its way. Press the button again."), STALLED);
      tell("receiving", name, `${label(name)}: ${size(state.received)} of ${size(message.size)}`);
      return;
    }
    forget(name);
    save(new Blob(state.pieces, { type: message.mime }), message.filename, name);
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  async function copy(name, text) {
    forget(name);
    tell("receiving", name, `${label(name)}: copying…`);
    field.value = text;
    field.setAttribute("aria-label", `${label(name)}: text to copy`);
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    if (await copied(text, field)) {
      tell("copied", name, `${label(name)}: copied`);
      if (!field.contains(focused)) focused?.focus?.();
      return;
    }
    tell("offered", name, `${label(name)}: this browser does not let a page copy. Press Ctrl+C (⌘C on a Mac) now:`);
    field.hidden = false;
    field.focus();
    field.select();
  }

  /**
   * @param {any} message
   * @param {DataView<ArrayBuffer>[]} buffers
   */
  function receive(message, buffers) {
    if (message?.to !== view) return;
    const { kind, name, text } = message;
    if (kind === "piece") take(message, buffers[0]);
    else if (!waiting.has(name)) return;
    else if (kind === "text") copy(name, text);
    else if (kind === "error") fail(name, text);
    else if (kind === "progress") tell("waiting", name, `${label(name)}: ${text}`);
  }

  for (const name of ["items", "disabled", "label"]) model.on(`change:${name}`, draw);
  model.on("msg:custom", receive);
  tell("idle", "");

  return () => {
    for (const name of ["items", "disabled", "label"]) model.off(`change:${name}`, draw);
    model.off("msg:custom", receive);
    for (const name of [...waiting.keys()]) forget(name);
    if (saved) URL.revokeObjectURL(saved);
    root.remove();
  };
}

export default { render };
