// A sheet to draw on (draw.py). The ink in the model is the truth; here it is held finer, so that a slow stroke is as smooth
// as a quick one, and every cell that travels is the average of its area.

const FINE = 224; // cells a side, about, in which strokes are laid down

function element(tag, name, parent) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

function button(text, parent) {
  const made = element("button", "jupyter-button", parent);
  made.type = "button";
  made.textContent = text;
  return made;
}

const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const same = (one, other) => one.length === other.length && one.every((value, i) => value === other[i]);

// ---- the ink: a raster of detail * sub cells to each of the sheet's

class Sheet {
  constructor([height, width], detail) {
    Object.assign(this, { height, width, detail });
    this.sub = Math.max(1, Math.round(FINE / (Math.max(height, width) * detail)));
    this.rows = height * detail;
    this.columns = width * detail;
    this.raster = new Uint8Array(this.rows * this.columns * this.sub ** 2);
  }

  load(ink) {
    const { rows, columns, sub, raster } = this;
    const across = columns * sub;
    for (let y = 0; y < rows * sub; y++) {
      const row = Math.floor(y / sub) * columns;
      for (let x = 0; x < across; x++) raster[y * across + x] = ink[row + Math.floor(x / sub)] ?? 0;
    }
  }

  // A stroke from one point to another: all that is nearer to it than the radius. Points are [x, y] in cells.
  stroke([x0, y0], [x1, y1], radius) {
    const { sub, detail, raster } = this;
    const scale = sub * detail;
    const across = this.columns * sub;
    const down = this.rows * sub;
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy;
    const low = (a, b) => Math.max(0, Math.floor((Math.min(a, b) - radius) * scale));
    const high = (a, b, end) => Math.min(end, Math.ceil((Math.max(a, b) + radius) * scale));
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

  // How many of the sheet's cells have ink: more than half a shade of 255, so that Python's rounding agrees.
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

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function render({ model, el }) {
  const root = element("div", "prunelab-draw", el);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys and space for itself
  const paper = element("div", "prunelab-draw-paper", root);
  const canvas = element("canvas", "prunelab-draw-canvas", paper);
  const cursor = element("div", "prunelab-draw-cursor", paper);
  const bar = element("div", "prunelab-draw-bar", root);
  const clear = button("Clear", bar);
  const example = button("An example", bar);
  const count = element("p", "prunelab-draw-count", root);
  const hint = element("p", "prunelab-draw-hint", root);
  const spoken = element("p", "prunelab-draw-spoken", root);
  hint.textContent = "Draw large, with mouse or finger.";
  element("span", "prunelab-draw-keys", hint).textContent =
    " By keyboard: arrows move, space puts the pen down or lifts it, Delete clears.";
  hint.id = `prunelab-draw-${Math.random().toString(36).slice(2)}`;
  paper.tabIndex = 0;
  // Screen readers then pass the arrow keys on.
  paper.setAttribute("role", "application");
  paper.setAttribute("aria-roledescription", "drawing sheet");
  paper.setAttribute("aria-describedby", hint.id);
  canvas.setAttribute("aria-hidden", "true");
  count.setAttribute("role", "status");
  spoken.setAttribute("role", "status");

  let sheet = null;
  let ink = new Uint8Array(); // what the sheet holds, as it travels
  let sent = null; // what we wrote into the model last: its echo is no news
  let frame = 0;
  let pointer = null; // id of the pointer that draws
  let last = null; // where it was
  let down = false; // the keyboard's pen
  let cell = [0, 0]; // the keyboard's cursor: row, column

  function paint() {
    if (!paper.isConnected) return; // no colour yet: the observer of sizes calls again
    const colour = getComputedStyle(paper).color.match(/[\d.]+/g).slice(0, 3).map(Number);
    const image = new ImageData(sheet.columns, sheet.rows);
    ink.forEach((value, i) => image.data.set([...colour, value], 4 * i));
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function tell() {
    const inked = sheet.inked(ink);
    const drawing = pointer !== null || down;
    root.dataset.inked = String(inked);
    root.dataset.state = drawing ? "drawing" : inked ? "drawn" : "blank";
    root.dataset.cursor = cell.join(",");
    const { height, width } = sheet;
    Object.assign(cursor.style, {
      left: `${(100 * cell[1]) / width}%`, top: `${(100 * cell[0]) / height}%`,
      width: `${100 / width}%`, height: `${100 / height}%`,
    });
    cursor.dataset.pen = down ? "down" : "up";
    const words = inked ? `${inked} of ${height * width} cells inked` : "Nothing drawn yet";
    const name = model.get("label");
    paper.setAttribute("aria-label", `${name}, ${height} by ${width} cells. ${words}`);
    // Announced when a stroke is finished, not in every frame of it.
    if (pointer === null && count.textContent !== words) count.textContent = words;
    example.hidden = !model.get("example");
  }

  function sync() {
    cancelAnimationFrame(frame);
    frame = 0;
    ink = sheet.ink();
    sent = Uint8Array.from(ink);
    paint();
    tell();
    model.set("ink", new DataView(sent.buffer));
    model.save_changes();
  }

  const soon = () => {
    frame ||= requestAnimationFrame(sync);
  };

  function load() {
    const held = bytesOf(model.get("ink"));
    if (sent && same(held, sent)) return;
    sent = null;
    // Of another size: the rest of the change is on its way.
    if (held.length !== sheet.rows * sheet.columns) return;
    sheet.load(held);
    ink = Uint8Array.from(held);
    paint();
    tell();
  }

  function resize() {
    sheet = new Sheet(model.get("size"), model.get("detail"));
    [canvas.height, canvas.width] = [sheet.rows, sheet.columns];
    const { height, width } = sheet;
    root.style.setProperty("--rows", height);
    root.style.setProperty("--columns", width);
    paper.classList.toggle("prunelab-draw-grid", Math.max(height, width) <= 16);
    [pointer, down, sent] = [null, false, null];
    cell = [Math.floor(height / 2), Math.floor(width / 2)];
    ink = new Uint8Array(sheet.rows * sheet.columns);
    load();
    paint();
    tell();
  }

  // ---- mouse, pen and finger

  function point(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * sheet.width, ((event.clientY - box.top) / box.height) * sheet.height];
  }

  function lead(to) {
    sheet.stroke(last ?? to, to, model.get("brush"));
    last = to;
    soon();
  }

  paper.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    paper.setPointerCapture(pointer);
    [down, last] = [false, null];
    lead(point(event));
  });
  paper.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) lead(point(each));
  });
  const lift = (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    sync();
  };
  paper.addEventListener("pointerup", lift);
  paper.addEventListener("pointercancel", lift);

  // ---- keyboard

  function wipe() {
    down = false;
    sheet.raster.fill(0);
    sync();
  }

  function say(words) {
    spoken.textContent = words;
  }

  paper.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = () => [cell[1] + 0.5, cell[0] + 0.5];
    const where = () => `row ${cell[0] + 1}, column ${cell[1] + 1}`;
    if (ARROWS[event.key]) {
      const from = middle();
      const [row, column] = ARROWS[event.key];
      cell = [
        Math.max(0, Math.min(sheet.height - 1, cell[0] + row)),
        Math.max(0, Math.min(sheet.width - 1, cell[1] + column)),
      ];
      if (down) {
        sheet.stroke(from, middle(), model.get("brush"));
        soon();
      }
      say(`${where()}${down ? ", drawing" : ""}`);
    } else if (event.key === " " || event.key === "Enter") {
      if (event.repeat) return event.preventDefault();
      down = !down;
      if (down) {
        sheet.stroke(middle(), middle(), model.get("brush"));
        soon();
      }
      say(`pen ${down ? "down" : "up"}, ${where()}`);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      wipe();
      say("cleared");
    } else if (event.key === "Escape" && down) {
      down = false;
      say("pen up");
    } else return undefined;
    event.preventDefault();
    return tell();
  });
  paper.addEventListener("blur", () => {
    down = false;
    tell();
  });
  clear.addEventListener("click", wipe);
  example.addEventListener("click", () => model.send({ kind: "example" }));

  // ---- the model, and the theme whose text colour is the ink's

  const handlers = { size: resize, detail: resize, ink: load, example: tell, label: tell };
  for (const [name, handler] of Object.entries(handlers)) model.on(`change:${name}`, handler);
  const theme = new MutationObserver(paint);
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-name", "data-jp-theme-light"] });
  const schemes = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map((query) => globalThis.matchMedia(query));
  for (const scheme of schemes) scheme.addEventListener("change", paint);
  const sizes = new ResizeObserver(paint);
  sizes.observe(paper);
  resize();

  return () => {
    cancelAnimationFrame(frame);
    sizes.disconnect();
    theme.disconnect();
    for (const scheme of schemes) scheme.removeEventListener("change", paint);
    for (const [name, handler] of Object.entries(handlers)) model.off(`change:${name}`, handler);
    root.remove();
  };
}

export default { render };
