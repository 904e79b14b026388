// Download buttons for content that the kernel creates on demand (download_bar.py). The list of buttons is widget state; the
// content is not: it is sent in pieces to the view that requested it, which keeps the latest file so that it can be saved again.

import { followClasses } from "./classes.js";
import { button, element, write } from "./dom.js";

const PIECE_TIMEOUT = 30_000; // ms without the next piece, after which the download has failed

const UNITS = ["bytes", "KB", "MB", "GB"];

/** @param {number} bytes */
function formatSize(bytes) {
  let unit = 0;
  let amount = bytes;
  while (amount >= 1000 && unit < UNITS.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${unit && amount < 100 ? amount.toFixed(1) : Math.round(amount)} ${UNITS[unit]}`;
}

/**
 * Copies a text; returns whether that succeeded. Without https (a workshop on a local network) there is no clipboard API; the
 * older execCommand needs a selection, made in `field`.
 * @param {string} text
 * @param {HTMLTextAreaElement} field
 */
async function copyText(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field.hidden = false;
    field.select();
    return document.execCommand("copy");
  }
}

/** @typedef {{ name: string, label: string, tooltip?: string }} Item a button, as the model describes it */

/** @typedef {{ pieces: BlobPart[], received: number, transfer: string | null, timer: number }} Waiting */

/** @param {import("./types").RenderArguments} view */
function render({ model, el }) {
  followClasses({ model, el });
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
  const pending = new Map(); // by name of a requested item: what has been received so far
  let fileUrl = ""; // object URL of the latest file

  const label = (/** @type {string} */ name) =>
    model.get("items").find((/** @type {Item} */ item) => item.name === name)?.label ?? name;

  /**
   * @param {string} state
   * @param {string} name
   * @param {(Node | string)[]} parts
   */
  function setStatus(state, name, ...parts) {
    root.dataset.state = state;
    root.dataset.item = name;
    status.replaceChildren(...parts);
    status.hidden = !parts.length;
    field.hidden = true;
    draw();
  }

  function stopWaiting(/** @type {string} */ name) {
    clearTimeout(pending.get(name)?.timer);
    pending.delete(name);
  }

  function fail(/** @type {string} */ name, /** @type {string} */ words) {
    stopWaiting(name);
    setStatus("error", name, `${label(name)}: ${words}`);
  }

  // The lab's root says whether the kernel answers (kernel_watch.js). What was asked for is lost with the kernel: its answer would
  // be waited for until the page is opened again, and the button is dead meanwhile.
  const link = new MutationObserver(([{ target }]) => {
    if (/** @type {Element} */ (target).getAttribute("data-link") !== "lost") return;
    for (const name of [...pending.keys()])
      fail(name, "the kernel was lost before it was made. Press the button again.");
  });

  function addButton() {
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
      const key = /** @type {HTMLButtonElement} */ (bar.children[i] ?? addButton());
      key.dataset.item = item.name;
      write(key, item.label);
      key.title = disabled[item.name] || item.tooltip || "";
      // aria-disabled, not `disabled`, which loses the focus and hides the reason from touch and keyboard users.
      key.setAttribute("aria-disabled", String(item.name in disabled || pending.has(item.name)));
      key.setAttribute("aria-busy", String(pending.has(item.name)));
    });
  }

  function press(/** @type {string} */ name) {
    const reason = model.get("disabled")[name];
    if (reason !== undefined) return setStatus("error", name, `${label(name)}: ${reason}`);
    if (pending.has(name)) return undefined;
    const lab = el.closest(".prunelab"); // null in a user's own layout
    if (lab) link.observe(lab, { attributeFilter: ["data-link"] });
    pending.set(name, { pieces: [], received: 0, transfer: null, timer: 0 });
    setStatus("waiting", name, `${label(name)}: asked for, being made…`);
    return model.send({ kind: "request", name, view });
  }

  /**
   * @param {Blob} blob
   * @param {string} filename
   * @param {string} name
   */
  function save(blob, filename, name) {
    if (fileUrl) URL.revokeObjectURL(fileUrl);
    fileUrl = URL.createObjectURL(blob);
    // The link stays on the page: some browsers ask before they download, and the user may want the file again.
    const link = document.createElement("a");
    link.href = fileUrl;
    link.download = filename;
    link.textContent = filename;
    setStatus("done", name, `${label(name)}: downloaded `, link, ` (${formatSize(blob.size)})`);
    link.click();
  }

  /**
   * @param {{ name: string, index: number, count: number, transfer: string, size: number, mime: string, filename: string }} message
   * @param {DataView<ArrayBuffer>} piece
   */
  function receivePiece(message, piece) {
    const { name, index, count, transfer } = message;
    const state = pending.get(name);
    if (!state) return; // timed out or failed
    state.transfer ??= transfer;
    if (transfer !== state.transfer || index !== state.pieces.length) return;
    clearTimeout(state.timer);
    state.pieces.push(piece);
    state.received += piece.byteLength;
    model.send({ kind: "thanks", transfer, index });
    if (state.pieces.length < count) {
      state.timer = setTimeout(
        () => fail(name, "the download stopped on its way. Press the button again."),
        PIECE_TIMEOUT,
      );
      setStatus("receiving", name, `${label(name)}: ${formatSize(state.received)} of ${formatSize(message.size)}`);
      return;
    }
    stopWaiting(name);
    save(new Blob(state.pieces, { type: message.mime }), message.filename, name);
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  async function copy(name, text) {
    stopWaiting(name);
    setStatus("receiving", name, `${label(name)}: copying…`);
    field.value = text;
    field.setAttribute("aria-label", `${label(name)}: text to copy`);
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    if (await copyText(text, field)) {
      setStatus("copied", name, `${label(name)}: copied`);
      if (!field.contains(focused)) focused?.focus?.();
      return;
    }
    setStatus(
      "offered",
      name,
      `${label(name)}: this browser does not let a page copy. Press Ctrl+C (⌘C on a Mac) now:`,
    );
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
    if (kind === "piece") receivePiece(message, buffers[0]);
    else if (!pending.has(name)) return;
    else if (kind === "text") copy(name, text);
    else if (kind === "error") fail(name, text);
    else if (kind === "progress") setStatus("waiting", name, `${label(name)}: ${text}`);
  }

  for (const name of ["items", "disabled", "label"]) model.on(`change:${name}`, draw);
  model.on("msg:custom", receive);
  setStatus("idle", "");

  return () => {
    for (const name of ["items", "disabled", "label"]) model.off(`change:${name}`, draw);
    model.off("msg:custom", receive);
    link.disconnect();
    for (const name of [...pending.keys()]) stopWaiting(name);
    if (fileUrl) URL.revokeObjectURL(fileUrl);
    root.remove();
  };
}

export default { render };
