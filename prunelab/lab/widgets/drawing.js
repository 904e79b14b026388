// A sheet to draw on (drawing.py). The model holds the ink; here it is kept at a higher resolution, so that a slow stroke is as
// smooth as a fast one. Each cell sent to the model is the average of its area.

import { followClasses } from "./classes.js";
import { button, element, write } from "./dom.js";

const RASTER_SIDE = 224; // cells per side, approximately, of the raster in which strokes are drawn

/** @param {DataView} view */
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
/**
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
const same = (first, second) => first.length === second.length && first.every((value, i) => value === second[i]);

// ---- the ink: a raster with detail * sub cells per side of each cell of the sheet

/** @typedef {[x: number, y: number]} Point */

class Sheet {
  /**
   * @param {[height: number, width: number]} size in cells
   * @param {number} detail parts per side into which each cell is divided in the model's ink
   */
  constructor([height, width], detail) {
    this.height = height;
    this.width = width;
    this.detail = detail;
    this.sub = Math.max(1, Math.round(RASTER_SIDE / (Math.max(height, width) * detail)));
    this.rows = height * detail;
    this.columns = width * detail;
    this.raster = new Uint8Array(this.rows * this.columns * this.sub ** 2);
  }

  /** @param {Uint8Array} ink */
  load(ink) {
    const { rows, columns, sub, raster } = this;
    const across = columns * sub;
    for (let y = 0; y < rows * sub; y++) {
      const row = Math.floor(y / sub) * columns;
      for (let x = 0; x < across; x++) raster[y * across + x] = ink[row + Math.floor(x / sub)] ?? 0;
    }
  }

  /**
   * A stroke between two points: inks everything within the radius of the segment. Points and radius in cells.
   * @param {Point} from
   * @param {Point} to
   * @param {number} radius
   */
  stroke([x0, y0], [x1, y1], radius) {
    const { sub, detail, raster } = this;
    const scale = sub * detail;
    const across = this.columns * sub;
    const down = this.rows * sub;
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy;
    const low = (/** @type {number} */ a, /** @type {number} */ b) =>
      Math.max(0, Math.floor((Math.min(a, b) - radius) * scale));
    const high = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ end) =>
      Math.min(end, Math.ceil((Math.max(a, b) + radius) * scale));
    for (let row = low(y0, y1); row < high(y0, y1, down); row++) {
      for (let column = low(x0, x1); column < high(x0, x1, across); column++) {
        const [x, y] = [(column + 0.5) / scale - x0, (row + 0.5) / scale - y0];
        const along = length ? Math.max(0, Math.min(1, (x * dx + y * dy) / length)) : 0;
        if ((x - along * dx) ** 2 + (y - along * dy) ** 2 <= radius * radius) raster[row * across + column] = 255;
      }
    }
  }

  ink() {
    const { rows, columns, sub, raster } = this;
    const sums = new Uint32Array(rows * columns);
    const across = columns * sub;
    for (let i = 0; i < raster.length; i++) {
      if (raster[i]) sums[Math.floor(i / across / sub) * columns + Math.floor((i % across) / sub)] += raster[i];
    }
    return Uint8Array.from(sums, (sum) => Math.round(sum / sub ** 2));
  }

  /**
   * Number of the sheet's cells with ink: a mean above 0.5 of 255, so that the count agrees with Python's rounding.
   * @param {Uint8Array} ink
   */
  inked(ink) {
    const sums = new Float64Array(this.height * this.width);
    ink.forEach((value, i) => {
      const [row, column] = [Math.floor(i / this.columns), i % this.columns];
      sums[Math.floor(row / this.detail) * this.width + Math.floor(column / this.detail)] += value;
    });
    return sums.reduce((count, sum) => count + (sum / this.detail ** 2 > 0.5 ? 1 : 0), 0);
  }
}

// ---- the view

/** @type {Record<string, [rows: number, columns: number]>} */
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** @param {import("./types").RenderArguments} view */
function render({ model, el }) {
  followClasses({ model, el });
  const root = element("div", "prunelab-draw", el);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys and space for itself
  const paper = element("div", "prunelab-draw-paper", root);
  const canvas = element("canvas", "prunelab-draw-canvas", paper);
  const cursor = element("div", "prunelab-draw-cursor", paper);
  const bar = element("div", "prunelab-draw-bar", root);
  const clear = button("Clear", "", bar);
  const example = button("An example", "", bar);
  const count = element("p", "prunelab-draw-count", root);
  const hint = element("p", "prunelab-draw-hint", root);
  const spoken = element("p", "prunelab-draw-spoken", root);
  hint.textContent = "Draw large, with mouse or finger.";
  element("span", "prunelab-draw-keys", hint).textContent =
    " By keyboard: arrows move, space puts the pen down or lifts it, Delete clears.";
  hint.id = `prunelab-draw-${Math.random().toString(36).slice(2)}`;
  paper.tabIndex = 0;
  // With this role, screen readers pass the arrow keys on to the page.
  paper.setAttribute("role", "application");
  paper.setAttribute("aria-roledescription", "drawing sheet");
  paper.setAttribute("aria-describedby", hint.id);
  canvas.setAttribute("aria-hidden", "true");
  count.setAttribute("role", "status");
  spoken.setAttribute("role", "status");

  let sheet = new Sheet(model.get("size"), model.get("detail"));

  // The sheet's ink, at the model's resolution.
  const ink = {
    now: new Uint8Array(),
    /** @type {Uint8Array<ArrayBuffer> | null} */
    sent: null, // last written to the model; the change event that this causes is ignored
    frame: 0, // animation frame in which it will be written
  };

  // The mouse, pen or finger that draws.
  const pointer = {
    /** @type {number | null} */
    id: null,
    /** @type {Point | null} */
    last: null, // its previous position, in cells
  };

  // The pen that the keyboard moves.
  const pen = {
    isDown: false,
    cell: [0, 0], // row, column
  };

  function paint() {
    if (!paper.isConnected) return; // no text colour yet; the ResizeObserver calls again
    const colour = (getComputedStyle(paper).color.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
    const image = new ImageData(sheet.columns, sheet.rows);
    ink.now.forEach((value, i) => {
      image.data.set([...colour, value], 4 * i);
    });
    canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  function describe() {
    const inked = sheet.inked(ink.now);
    const isDrawing = pointer.id !== null || pen.isDown;
    root.dataset.inked = String(inked);
    root.dataset.state = isDrawing ? "drawing" : inked ? "drawn" : "blank";
    root.dataset.cursor = pen.cell.join(",");
    const { height, width } = sheet;
    Object.assign(cursor.style, {
      left: `${(100 * pen.cell[1]) / width}%`,
      top: `${(100 * pen.cell[0]) / height}%`,
      width: `${100 / width}%`,
      height: `${100 / height}%`,
    });
    cursor.dataset.pen = pen.isDown ? "down" : "up";
    const words = inked ? `${inked} of ${height * width} cells inked` : "Nothing drawn yet";
    const name = model.get("label");
    paper.setAttribute("aria-label", `${name}, ${height} by ${width} cells. ${words}`);
    // Announced at the end of a stroke, not in every frame.
    if (pointer.id === null) write(count, words);
    example.hidden = !model.get("example");
  }

  function sync() {
    cancelAnimationFrame(ink.frame);
    ink.frame = 0;
    ink.now = sheet.ink();
    ink.sent = Uint8Array.from(ink.now);
    paint();
    describe();
    model.set("ink", new DataView(ink.sent.buffer));
    model.save_changes();
  }

  const scheduleSync = () => {
    ink.frame ||= requestAnimationFrame(sync);
  };

  function load() {
    const received = bytesOf(model.get("ink"));
    if (ink.sent && same(received, ink.sent)) return;
    ink.sent = null;
    // A different size: the new `size` or `detail` is still to arrive, and loads again.
    if (received.length !== sheet.rows * sheet.columns) return;
    sheet.load(received);
    ink.now = Uint8Array.from(received);
    paint();
    describe();
  }

  function resize() {
    sheet = new Sheet(model.get("size"), model.get("detail"));
    [canvas.height, canvas.width] = [sheet.rows, sheet.columns];
    const { height, width } = sheet;
    root.style.setProperty("--rows", String(height));
    root.style.setProperty("--columns", String(width));
    paper.classList.toggle("prunelab-draw-grid", Math.max(height, width) <= 16);
    pointer.id = null;
    Object.assign(pen, { isDown: false, cell: [Math.floor(height / 2), Math.floor(width / 2)] });
    Object.assign(ink, { now: new Uint8Array(sheet.rows * sheet.columns), sent: null });
    load();
    paint();
    describe();
  }

  // ---- mouse, pen and finger

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  function point(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * sheet.width,
      ((event.clientY - box.top) / box.height) * sheet.height,
    ];
  }

  function extendStroke(/** @type {Point} */ to) {
    sheet.stroke(pointer.last ?? to, to, model.get("brush"));
    pointer.last = to;
    scheduleSync();
  }

  paper.addEventListener("pointerdown", (event) => {
    if (pointer.id !== null || event.button !== 0) return;
    Object.assign(pointer, { id: event.pointerId, last: null });
    paper.setPointerCapture(event.pointerId);
    pen.isDown = false;
    extendStroke(point(event));
  });
  paper.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer.id) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) extendStroke(point(each));
  });
  const endStroke = (/** @type {PointerEvent} */ event) => {
    if (event.pointerId !== pointer.id) return;
    pointer.id = null;
    sync();
  };
  paper.addEventListener("pointerup", endStroke);
  paper.addEventListener("pointercancel", endStroke);

  // ---- keyboard

  function wipe() {
    pen.isDown = false;
    sheet.raster.fill(0);
    sync();
  }

  function announce(/** @type {string} */ words) {
    spoken.textContent = words;
  }

  paper.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = () => /** @type {Point} */ ([pen.cell[1] + 0.5, pen.cell[0] + 0.5]);
    const where = () => `row ${pen.cell[0] + 1}, column ${pen.cell[1] + 1}`;
    if (ARROWS[event.key]) {
      const from = middle();
      const [row, column] = ARROWS[event.key];
      pen.cell = [
        Math.max(0, Math.min(sheet.height - 1, pen.cell[0] + row)),
        Math.max(0, Math.min(sheet.width - 1, pen.cell[1] + column)),
      ];
      if (pen.isDown) {
        sheet.stroke(from, middle(), model.get("brush"));
        scheduleSync();
      }
      announce(`${where()}${pen.isDown ? ", drawing" : ""}`);
    } else if (event.key === " " || event.key === "Enter") {
      if (event.repeat) return event.preventDefault();
      pen.isDown = !pen.isDown;
      if (pen.isDown) {
        sheet.stroke(middle(), middle(), model.get("brush"));
        scheduleSync();
      }
      announce(`pen ${pen.isDown ? "down" : "up"}, ${where()}`);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      wipe();
      announce("cleared");
    } else if (event.key === "Escape" && pen.isDown) {
      pen.isDown = false;
      announce("pen up");
    } else return undefined;
    event.preventDefault();
    return describe();
  });
  paper.addEventListener("blur", () => {
    pen.isDown = false;
    describe();
  });
  clear.addEventListener("click", wipe);
  example.addEventListener("click", () => model.send({ kind: "example" }));

  // ---- the model, and the theme, whose text colour is the colour of the ink

  const handlers = { size: resize, detail: resize, ink: load, example: describe, label: describe };
  for (const [name, handler] of Object.entries(handlers)) model.on(`change:${name}`, handler);
  const theme = new MutationObserver(paint);
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-name", "data-jp-theme-light"] });
  const schemes = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map((query) =>
    globalThis.matchMedia(query),
  );
  for (const scheme of schemes) scheme.addEventListener("change", paint);
  const sizes = new ResizeObserver(paint);
  sizes.observe(paper);
  resize();

  return () => {
    cancelAnimationFrame(ink.frame);
    sizes.disconnect();
    theme.disconnect();
    for (const scheme of schemes) scheme.removeEventListener("change", paint);
    for (const [name, handler] of Object.entries(handlers)) model.off(`change:${name}`, handler);
    root.remove();
  };
}

export default { render };
