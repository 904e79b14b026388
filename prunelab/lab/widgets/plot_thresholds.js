// Moves thresholds in the browser, within one frame, before the kernel answers: the bins of the histograms are already here.
// A figure describes its thresholds in layout.meta (views/weights.py): `cuts`, one per histogram, and `preview`, true if it
// shows a prune that has not been done. plotly.js takes at least 30 ms to draw a moved line, whichever of its functions is
// called; changing bars, lines and labels directly in its SVG takes 1 ms. If the SVG is not as expected
// (plot_assumptions.js), plotly.js draws the kernel's figures, and the user sees a moved line only when they arrive.

import { element } from "./dom.js";
import { assume, drawnAxis } from "./plot_assumptions.js";
import { widgetModel } from "./shared_code.js";

const REST = 150; // ms without a movement after which the user counts as having stopped
const LAST_WORD = 3000; // ms after the last movement; later, the kernel's figure replaces ours, whatever was requested
// ms that all plots of the page wait for the user's next movement, because drawing a picture would cost it two frames. Not
// longer, or a single step of the slider would be delayed for nothing.
const QUIET = 35;
const TURN = 1000; // ms after which a waiting plot is drawn even while the user is moving something
const MOST_FAILURES = 3; // in a row, per view: after each, plotly.js redraws and we try again; after the last we stop trying
const CLOSE = 1e-6; // qualities closer than this count as equal

// User input on the page, shared by all plots, because slow drawing waits for it. Both are times of performance.now():
// movedAt: last movement, on any plot; drawnAt: last slow picture during this series of movements, or the start of the series.
const userInput = { movedAt: -Infinity, drawnAt: -Infinity };

// Time of the user's last movement. Movements made while the page was busy have not been dispatched yet; isInputPending
// reports them, in browsers that have it.
export function lastMove() {
  const now = performance.now();
  const pending = userInput.movedAt + TURN > now && navigator.scheduling?.isInputPending?.({ includeContinuous: true });
  return pending ? now : userInput.movedAt;
}

/**
 * @param {number} a
 * @param {number} b
 */
const near = (a, b) => Math.abs(a - b) < CLOSE;
/** @param {number} quality */
const rounded = (quality) => Math.round(100 * quality) / 100;
/** @param {number} value */
const formatThreshold = (value) => (value > 0 && value < 1e-4 ? value.toExponential(2) : value.toPrecision(3));

/**
 * A function that redraws the bars of one histogram, as plotly.js drew them, for a given threshold.
 * @param {import("./types").Canvas} canvas
 * @param {import("./types").Cut} cut
 */
function histogram(canvas, cut) {
  const { data } = canvas;
  const [x, y] = [drawnAxis(canvas, `xaxis${cut.axis}`), drawnAxis(canvas, `yaxis${cut.axis}`)];
  const traces = canvas.querySelectorAll(`.subplot.x${cut.axis}y${cut.axis} .barlayer .trace`);
  const [cutBars, keptBars] = [...traces].map((trace) => [...trace.querySelectorAll(".point > path")]);
  const [centres, gone, kept] = [data[cut.traces[0]]?.x, ...cut.traces.map((index) => data[index]?.y)];
  const bins = centres?.length;
  if (bins === 0) return () => {};
  assume(x && y && traces.length === 2, `the histogram of ${cut.layer}`);
  assume(
    [cutBars, keptBars, gone, kept].every((each) => each?.length === bins),
    `the bars of ${cut.layer}`,
  );
  const label = [...canvas.querySelectorAll(`.annotation[data-index="${cut.note}"] .annotation-text .line`)];
  const words = label.find((line) => line.textContent?.startsWith("threshold"));
  const bars = cutBars.map((path, i) => {
    // Edges as plotly.js rounded them, to whole pixels; an empty bar has none.
    const written = path.getAttribute("d") ?? "";
    const edges = /^M([^,]+),[^V]+V[^H]+H([^V]+)V/.exec(written)?.slice(1);
    assume(edges || written === "M0,0Z", `bar ${i} of ${cut.layer}`);
    const [left, right] = edges ?? [x.c2p(centres[i]), x.c2p(centres[i])];
    // Weights that are already cut stay cut. A figure of the current state shows them; a preview reports them in cut.before.
    const before = cut.before === null ? gone[i] : (cut.before[i] ?? 0);
    /** @type {boolean | null} */
    const inside = null; // unknown before the first movement
    return { left, right, size: Math.abs(centres[i]), total: gone[i] + kept[i], before, inside };
  });
  const path = (/** @type {typeof bars[0]} */ bin, /** @type {number} */ from, /** @type {number} */ to) =>
    `M${bin.left},${y.c2p(from)}V${y.c2p(to)}H${bin.right}V${y.c2p(from)}Z`;
  return (/** @type {number} */ threshold) => {
    bars.forEach((bin, i) => {
      const inside = bin.size < threshold;
      if (inside === bin.inside) return;
      Object.assign(bin, { inside });
      const cutNow = inside ? bin.total : bin.before;
      cutBars[i].setAttribute("d", path(bin, 0, cutNow));
      keptBars[i].setAttribute("d", path(bin, cutNow, bin.total));
    });
    if (words) words.textContent = `threshold ${formatThreshold(threshold)}`;
  };
}

/**
 * @param {object} view
 * @param {import("./types").Model} view.model
 * @param {HTMLElement} view.root
 * @param {HTMLElement} view.stage holds the canvas and, over it, the lines
 * @param {import("./types").Canvas} view.canvas
 * @param {() => void} view.repaint draws the model's figure once the user has stopped moving
 * @param {() => boolean} view.isKnown whether in-place changes were checked with this version of plotly.js
 * @param {(error: unknown) => void} view.distrust has plotly.js draw the whole figure, because its drawing is not as expected
 */
export function followThresholds({ model, root, stage, canvas, repaint, isKnown, distrust }) {
  const overlay = element("div", "prunelab-plot-lines", stage);
  overlay.setAttribute("aria-hidden", "true"); // keyboard users move thresholds with the sliders
  /** @type {Map<string, HTMLElement>} */
  const lines = new Map(); // by layer and side; elements are reused, so that a pointer can hold one while pictures are redrawn

  // Qualities that the user has requested and the kernel has not answered yet.
  const requested = {
    /** @type {Map<string, number>} */
    layers: new Map(), // by layer, from dragged lines
    /** @type {number | null} */
    all: null, // the slider's, for all other layers
    /** @type {number | null} */
    latest: null, // the most recent of these
    movedAt: -Infinity, // when it was requested, by performance.now()
  };

  // The thresholds of the picture on the screen.
  const picture = {
    /** @type {import("./types").Cut[]} */
    cuts: [],
    /** @type {ReturnType<typeof histogram>[] | null} */
    moves: null, // one function per histogram, created at the first movement after each picture
    frame: 0,
    timer: 0,
    failures: 0, // consecutive
    isBroken: false, // not as expected: plotly.js is about to redraw it
  };

  // The line that a pointer holds, and its movement that has not been sent to the kernel yet.
  const drag = {
    /** @type {{ line: HTMLElement, off: number, quality: number | null } | null} */
    held: null,
    /** @type {{ layer: string, quality: number, final: boolean } | null} */
    unsent: null,
  };

  /** @type {import("./types").Model | null} */
  let slider = null;
  let gone = false;

  const hasRequest = () => requested.all !== null || requested.layers.size > 0;
  const requestedFor = (/** @type {import("./types").Cut} */ cut) =>
    requested.layers.get(cut.layer) ?? (cut.follows ? requested.all : null);
  const quality = (/** @type {import("./types").Cut} */ cut) => requestedFor(cut) ?? cut.quality;
  const answers = (/** @type {import("./types").Cut[]} */ cuts) =>
    cuts.every((cut) => {
      const wanted = requestedFor(cut);
      return wanted === null || (cut.quality !== null && near(wanted, cut.quality));
    });

  function clearRequests() {
    requested.all = null;
    requested.layers.clear();
  }

  const isAble = () => isKnown() && picture.failures < MOST_FAILURES;

  // Runs `work`, which changes the SVG of plotly.js; returns whether it succeeded. If not, plotly.js redraws the picture, and
  // the requested thresholds are shown on the new one.
  function tryChange(/** @type {() => void} */ work) {
    try {
      work();
      return true;
    } catch (error) {
      picture.failures += 1;
      picture.isBroken = true;
      root.toggleAttribute("data-live", false);
      distrust(error);
      return false;
    }
  }

  function placeLines() {
    const used = new Set();
    for (const cut of picture.cuts) {
      const threshold = (quality(cut) ?? 0) * (cut.deviation ?? 0);
      const [x, y] = [`xaxis${cut.axis}`, `yaxis${cut.axis}`].map((name) => drawnAxis(canvas, name));
      assume(x && y, `the axes of ${cut.layer}`);
      for (const side of [-1, 1]) {
        const name = `${side} ${cut.layer}`;
        const at = x.c2p(side * threshold);
        const line = lines.get(name) ?? element("div", "prunelab-plot-line", overlay);
        if (!lines.has(name)) lines.set(name, makeDraggable(line, cut.layer, side));
        used.add(name);
        line.dataset.layer = cut.layer;
        line.dataset.side = String(side);
        line.hidden = quality(cut) === null || cut.deviation === null || at < 0 || at > x._length;
        line.style.height = `${y._length}px`;
        line.style.transform = `translate(${x._offset + at}px, ${y._offset}px)`;
      }
    }
    for (const [name, line] of lines) {
      if (used.has(name)) continue;
      line.remove();
      lines.delete(name);
    }
  }

  function show() {
    picture.moves ??= picture.cuts.map((cut) => histogram(canvas, cut));
    for (const [i, cut] of picture.cuts.entries()) {
      const wanted = requestedFor(cut);
      if (wanted !== null && cut.deviation !== null) picture.moves[i](wanted * cut.deviation);
    }
    placeLines();
    root.toggleAttribute("data-live", true);
    // Rounded, because slider steps can add up to 2.5000000000000004.
    root.dataset.threshold = String(Number(requested.latest?.toFixed(6)));
  }

  function follow() {
    picture.frame = 0;
    const isShown = root.dataset.state === "ready" && !picture.isBroken;
    if (!gone && hasRequest() && isShown && tryChange(show)) picture.failures = 0;
    send();
  }

  function request(/** @type {number} */ value) {
    requested.latest = value;
    requested.movedAt = performance.now();
    if (requested.movedAt - userInput.movedAt > TURN) userInput.drawnAt = requested.movedAt;
    userInput.movedAt = requested.movedAt;
    picture.frame ||= requestAnimationFrame(follow);
  }

  // ---- the slider

  /**
   * @param {unknown} _
   * @param {number} value
   * @param {{ updated_view?: unknown }} [options]
   */
  function onSlider(_, value, options) {
    // A change made by the user comes with its view. One without a view comes from the kernel, which also sends the figure.
    if (options?.updated_view) {
      if (!isAble()) return;
      requested.all = value;
      request(value);
    } else if (requested.all !== null) {
      requested.all = null;
      repaint();
    }
  }

  async function connect() {
    slider?.off("change:value", onSlider);
    slider = null;
    const reference = model.get("slider");
    if (!reference) return;
    const connected = await widgetModel(model, reference);
    if (gone || model.get("slider") !== reference) return;
    slider = connected;
    slider.on("change:value", onSlider);
  }

  // ---- lines under a pointer

  function send() {
    if (drag.unsent === null) return;
    // State, not a message: while the kernel is busy, a new value replaces the one that waits.
    model.set("dragged", { ...drag.unsent, at: performance.timeOrigin + performance.now() });
    model.save_changes();
    drag.unsent = null;
  }

  /**
   * @param {HTMLElement} line
   * @param {string} layer
   * @param {number} side -1 or 1
   */
  function makeDraggable(line, layer, side) {
    line.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !model.get("draggable")) return;
      event.preventDefault();
      line.setPointerCapture(event.pointerId);
      const box = line.getBoundingClientRect();
      drag.held = { line, off: event.clientX - (box.left + box.right) / 2, quality: null };
      line.toggleAttribute("data-held", true);
    });
    line.addEventListener("pointermove", (event) => {
      const cut = picture.cuts.find((each) => each.layer === layer);
      const { held } = drag;
      if (held?.line !== line || !cut?.deviation) return;
      const wanted = qualityAt(event.clientX - held.off, side, cut);
      if (wanted === null || near(wanted, held.quality ?? quality(cut) ?? 0)) return;
      held.quality = wanted;
      requested.layers.set(layer, wanted);
      drag.unsent = { layer, quality: wanted, final: false };
      request(wanted);
    });
    for (const ending of ["pointerup", "pointercancel", "lostpointercapture"]) {
      line.addEventListener(ending, () => {
        if (drag.held?.line !== line) return;
        if (drag.held.quality !== null) drag.unsent = { layer, quality: drag.held.quality, final: true };
        drag.held = null;
        line.toggleAttribute("data-held", false);
        send();
      });
    }
    return line;
  }

  // The quality at a horizontal position on the screen (px); null if the drawing is not as expected.
  function qualityAt(
    /** @type {number} */ place,
    /** @type {number} */ side,
    /** @type {import("./types").Cut} */ cut,
  ) {
    /** @type {number | null} */
    let result = null;
    tryChange(() => {
      const x = drawnAxis(canvas, `xaxis${cut.axis}`);
      assume(x && cut.deviation, `the axis of ${cut.layer}`);
      const at = place - overlay.getBoundingClientRect().left - x._offset;
      const reach = Math.max(0, side * x.p2c(Math.min(Math.max(at, 0), x._length))) / cut.deviation;
      result = Math.min(rounded(reach), slider?.get("max") ?? Number.POSITIVE_INFINITY);
    });
    return result;
  }

  // ---- called by plot.js, which draws the kernel's pictures

  /**
   * Whether drawing a figure has to wait: either the user has moved lines since and the figure does not answer the latest
   * request; or the user is moving something on this page and the figure is slow to draw (`patches` returns null).
   * @param {import("./types").Figure | undefined} figure
   * @param {() => unknown} patches
   */
  function mustWait(figure, patches) {
    if (picture.isBroken) return false;
    const now = performance.now();
    const cuts = figure?.layout?.meta?.cuts;
    const busy = lastMove() + QUIET - now;
    const late = hasRequest() && !(cuts && answers(cuts));
    const slow = busy > 0 && patches() === null;
    const delay = Math.max(
      late ? requested.movedAt + REST - now : 0,
      slow && userInput.drawnAt + TURN > now ? busy : 0,
    );
    if (delay > 0) repaintIn(delay);
    else if (slow) userInput.drawnAt = now;
    return delay > 0;
  }

  function repaintIn(/** @type {number} */ milliseconds) {
    clearTimeout(picture.timer);
    picture.timer = setTimeout(repaint, milliseconds);
  }

  /**
   * Called when a figure of the kernel has been drawn. If it does not answer the latest request, the requested thresholds
   * are shown on it again at once.
   * @param {import("./types").Layout["meta"]} meta
   */
  function drawn(meta) {
    picture.isBroken = false;
    picture.cuts = isAble() ? (meta?.cuts ?? []) : [];
    picture.moves = null;
    const preview = Boolean(meta?.preview);
    const since = performance.now() - requested.movedAt;
    if (!isAble() || answers(picture.cuts) || since > LAST_WORD || (since > REST && !preview)) clearRequests();
    root.toggleAttribute("data-draggable", Boolean(model.get("draggable")) && picture.cuts.length > 0);
    const line = canvas.layout.shapes?.[0]?.line?.color;
    if (line) overlay.style.setProperty("--prunelab-plot-line", line);
    if (hasRequest()) {
      if (tryChange(show)) repaintIn(LAST_WORD - since);
    } else if (tryChange(placeLines)) root.toggleAttribute("data-live", false);
  }

  connect();
  model.on("change:slider", connect);
  model.on("change:draggable", repaint);
  return {
    mustWait,
    drawn,
    end() {
      gone = true;
      clearTimeout(picture.timer);
      slider?.off("change:value", onSlider);
      model.off("change:slider", connect);
      model.off("change:draggable", repaint);
    },
  };
}
