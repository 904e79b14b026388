// Thresholds that move in the browser itself, within a frame, before the kernel answers: the histograms' bins are there
// already. What a figure tells of its thresholds stands in layout.meta (views/weights.py): `cuts`, one for each histogram,
// and `preview`, whether it shows what would be. plotly.js takes 30 ms and more to draw a moved line, whichever of its
// functions is called; so bars, lines and labels are moved in its SVG by hand, which takes 1 ms. Where that SVG is not as
// expected (plot_assumptions.js), the kernel's figures are drawn by plotly.js, and a hand has to wait for them.

import { element } from "./dom.js";
import { assume, drawnAxis } from "./plot_assumptions.js";

const REST = 150; // ms without a movement after which the hand rests
const LAST_WORD = 3000; // ms after the last movement; what the kernel shows from then on counts, whatever was asked
// ms that all plots of the page wait for a hand's next movement: a picture takes two frames from it. Not more, or a single
// step would wait for nothing.
const QUIET = 35;
const TURN = 1000; // ms after which one of them is drawn all the same
const MOST_FAILURES = 3; // of a view: a picture that was drawn anew because of one is tried again, but not for ever
const CLOSE = 1e-6; // qualities nearer than this are the same

// The one hand on a page, for which all its plots make way: when it moved something last, on whichever of them, and when a
// picture that takes long was last drawn in spite of it.
const hand = { moved: -Infinity, drawn: -Infinity };

// When the hand moved last. What it did while the page was busy has not been told yet; where browsers can say so, ask.
export function lastMove() {
  const now = performance.now();
  const pending = hand.moved + TURN > now && navigator.scheduling?.isInputPending?.({ includeContinuous: true });
  return pending ? now : hand.moved;
}

/**
 * @param {number} a
 * @param {number} b
 */
const near = (a, b) => Math.abs(a - b) < CLOSE;
/** @param {number} quality */
const rounded = (quality) => Math.round(100 * quality) / 100;
/** @param {number} value */
const inWords = (value) => (value > 0 && value < 1e-4 ? value.toExponential(2) : value.toPrecision(3));

/**
 * The bars of one histogram as plotly.js drew them, by bin; a function that moves them to a threshold.
 * @param {import("./types").Canvas} canvas
 * @param {import("./types").Cut} cut
 */
function histogram(canvas, cut) {
  const { data } = canvas;
  const [x, y] = [drawnAxis(canvas, `xaxis${cut.axis}`), drawnAxis(canvas, `yaxis${cut.axis}`)];
  const traces = canvas.querySelectorAll(`.subplot.x${cut.axis}y${cut.axis} .barlayer .trace`);
  const [fallen, standing] = [...traces].map((trace) => [...trace.querySelectorAll(".point > path")]);
  const [centres, gone, kept] = [data[cut.traces[0]]?.x, ...cut.traces.map((index) => data[index]?.y)];
  const bins = centres?.length;
  if (bins === 0) return () => {};
  assume(x && y && traces.length === 2, `the histogram of ${cut.layer}`);
  assume(
    [fallen, standing, gone, kept].every((each) => each?.length === bins),
    `the bars of ${cut.layer}`,
  );
  const label = [...canvas.querySelectorAll(`.annotation[data-index="${cut.note}"] .annotation-text .line`)];
  const words = label.find((line) => line.textContent?.startsWith("threshold"));
  const bars = fallen.map((path, i) => {
    // Where plotly.js put its edges (on whole pixels), if there is anything to see.
    const written = path.getAttribute("d") ?? "";
    const edges = /^M([^,]+),[^V]+V[^H]+H([^V]+)V/.exec(written)?.slice(1);
    assume(edges || written === "M0,0Z", `bar ${i} of ${cut.layer}`);
    const [left, right] = edges ?? [x.c2p(centres[i]), x.c2p(centres[i])];
    // What was cut before stays cut. A figure of what is shows it; one of what would be has to tell.
    const before = cut.before === null ? gone[i] : (cut.before[i] ?? 0);
    /** @type {boolean | null} */
    const inside = null; // not known before the first movement
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
      fallen[i].setAttribute("d", path(bin, 0, cutNow));
      standing[i].setAttribute("d", path(bin, cutNow, bin.total));
    });
    if (words) words.textContent = `threshold ${inWords(threshold)}`;
  };
}

/**
 * @param {object} view
 * @param {import("./types").Model} view.model
 * @param {HTMLElement} view.root
 * @param {HTMLElement} view.stage holds the canvas and, over it, the lines
 * @param {import("./types").Canvas} view.canvas
 * @param {(model: import("./types").Model, reference: unknown) => Promise<import("./types").Model>} view.widgetModel
 * @param {() => void} view.repaint draws the model's figure when the hand rests
 * @param {() => boolean} view.isKnown whether plotly.js is of a version that may be reached into
 * @param {(error: unknown) => void} view.distrust has plotly.js draw the figure as a whole: the drawing is not as expected
 */
export function followThresholds({ model, root, stage, canvas, widgetModel, repaint, isKnown, distrust }) {
  const overlay = element("div", "prunelab-plot-lines", stage);
  overlay.setAttribute("aria-hidden", "true"); // by keyboard, thresholds are moved by their sliders
  /** @type {Map<string, HTMLElement>} */
  const lines = new Map(); // by layer and side: the elements stay, so that a pointer can hold one across pictures

  // What a hand has asked for and the kernel has not answered: qualities of single layers, and the slider's for all others.
  const wish = {
    /** @type {Map<string, number>} */
    own: new Map(),
    /** @type {number | null} */
    all: null,
    /** @type {number | null} */
    latest: null, // whichever of them it was
    moved: -Infinity, // when
  };

  // The picture on the screen, as far as thresholds go.
  const picture = {
    /** @type {import("./types").Cut[]} */
    cuts: [],
    /** @type {ReturnType<typeof histogram>[] | null} */
    moves: null, // made when they are first needed after a picture
    frame: 0,
    timer: 0,
    failures: 0, // one after another
    isBroken: false, // plotly.js is about to draw it anew
  };

  // A line under a pointer, and what the kernel has not been told of it.
  const drag = {
    /** @type {{ line: HTMLElement, off: number, quality: number | null } | null} */
    held: null,
    /** @type {{ layer: string, quality: number, final: boolean } | null} */
    unsent: null,
  };

  /** @type {import("./types").Model | null} */
  let slider = null;
  let gone = false;

  const asking = () => wish.all !== null || wish.own.size > 0;
  const asked = (/** @type {import("./types").Cut} */ cut) =>
    wish.own.get(cut.layer) ?? (cut.follows ? wish.all : null);
  const quality = (/** @type {import("./types").Cut} */ cut) => asked(cut) ?? cut.quality;
  const answers = (/** @type {import("./types").Cut[]} */ cuts) =>
    cuts.every((cut) => {
      const wanted = asked(cut);
      return wanted === null || (cut.quality !== null && near(wanted, cut.quality));
    });

  function forget() {
    wish.all = null;
    wish.own.clear();
  }

  const isAble = () => isKnown() && picture.failures < MOST_FAILURES;

  // Runs what reaches into the drawing. Whether it could; where it could not, plotly.js draws the picture anew, and what a
  // hand has asked for is tried again on that.
  function reached(/** @type {() => void} */ work) {
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
        if (!lines.has(name)) lines.set(name, watched(line, cut.layer, side));
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
      const wanted = asked(cut);
      if (wanted !== null && cut.deviation !== null) picture.moves[i](wanted * cut.deviation);
    }
    placeLines();
    root.toggleAttribute("data-live", true);
    root.dataset.threshold = String(Number(wish.latest?.toFixed(6))); // a slider's steps add up to 2.5000000000000004
  }

  function follow() {
    picture.frame = 0;
    const isShown = root.dataset.state === "ready" && !picture.isBroken;
    if (!gone && asking() && isShown && reached(show)) picture.failures = 0;
    send();
  }

  function ask(/** @type {number} */ value) {
    wish.latest = value;
    wish.moved = performance.now();
    if (wish.moved - hand.moved > TURN) hand.drawn = wish.moved;
    hand.moved = wish.moved;
    picture.frame ||= requestAnimationFrame(follow);
  }

  // ---- the slider

  /**
   * @param {unknown} _
   * @param {number} value
   * @param {{ updated_view?: unknown }} [options]
   */
  function slid(_, value, options) {
    // Only a view hands itself over: a change without one is the kernel's, which will show what it means.
    if (options?.updated_view) {
      if (!isAble()) return;
      wish.all = value;
      ask(value);
    } else if (wish.all !== null) {
      wish.all = null;
      repaint();
    }
  }

  async function connect() {
    slider?.off("change:value", slid);
    slider = null;
    const reference = model.get("slider");
    if (!reference) return;
    const found = await widgetModel(model, reference);
    if (gone || model.get("slider") !== reference) return;
    slider = found;
    slider.on("change:value", slid);
  }

  // ---- lines under a pointer

  function send() {
    if (drag.unsent === null) return;
    // State, not a message: while the kernel is busy with one, the latest replaces those that wait.
    model.set("dragged", { ...drag.unsent, at: performance.timeOrigin + performance.now() });
    model.save_changes();
    drag.unsent = null;
  }

  /**
   * @param {HTMLElement} line
   * @param {string} layer
   * @param {number} side -1 or 1
   */
  function watched(line, layer, side) {
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
      wish.own.set(layer, wanted);
      drag.unsent = { layer, quality: wanted, final: false };
      ask(wanted);
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

  // The quality whose line stands at a place on the screen; null if the picture does not tell.
  function qualityAt(
    /** @type {number} */ place,
    /** @type {number} */ side,
    /** @type {import("./types").Cut} */ cut,
  ) {
    /** @type {number | null} */
    let found = null;
    reached(() => {
      const x = drawnAxis(canvas, `xaxis${cut.axis}`);
      assume(x && cut.deviation, `the axis of ${cut.layer}`);
      const at = place - overlay.getBoundingClientRect().left - x._offset;
      const reach = Math.max(0, side * x.p2c(Math.min(Math.max(at, 0), x._length))) / cut.deviation;
      found = Math.min(rounded(reach), slider?.get("max") ?? Number.POSITIVE_INFINITY);
    });
    return found;
  }

  // ---- for whoever draws the kernel's pictures

  /**
   * Whether a figure has to wait: a hand has moved lines on since this was its question; or it moves lines here or elsewhere,
   * and the figure takes long to draw. patches: gives null for such a one.
   * @param {import("./types").Figure | undefined} figure
   * @param {() => unknown} patches
   */
  function holds(figure, patches) {
    if (picture.isBroken) return false;
    const now = performance.now();
    const cuts = figure?.layout?.meta?.cuts;
    const busy = lastMove() + QUIET - now;
    const late = asking() && !(cuts && answers(cuts));
    const slow = busy > 0 && patches() === null;
    const rest = Math.max(late ? wish.moved + REST - now : 0, slow && hand.drawn + TURN > now ? busy : 0);
    if (rest > 0) again(rest);
    else if (slow) hand.drawn = now;
    return rest > 0;
  }

  function again(/** @type {number} */ milliseconds) {
    clearTimeout(picture.timer);
    picture.timer = setTimeout(repaint, milliseconds);
  }

  /**
   * A picture of the kernel's is on the screen. If it answers, it replaces ours; else ours goes over it again, at once.
   * @param {import("./types").Layout["meta"]} meta
   */
  function drawn(meta) {
    picture.isBroken = false;
    picture.cuts = isAble() ? (meta?.cuts ?? []) : [];
    picture.moves = null;
    const preview = Boolean(meta?.preview);
    const since = performance.now() - wish.moved;
    if (!isAble() || answers(picture.cuts) || since > LAST_WORD || (since > REST && !preview)) forget();
    root.toggleAttribute("data-draggable", Boolean(model.get("draggable")) && picture.cuts.length > 0);
    const line = canvas.layout.shapes?.[0]?.line?.color;
    if (line) overlay.style.setProperty("--prunelab-plot-line", line);
    if (asking()) {
      if (reached(show)) again(LAST_WORD - since);
    } else if (reached(placeLines)) root.toggleAttribute("data-live", false);
  }

  connect();
  model.on("change:slider", connect);
  model.on("change:draggable", repaint);
  return {
    holds,
    drawn,
    end() {
      gone = true;
      clearTimeout(picture.timer);
      slider?.off("change:value", slid);
      model.off("change:slider", connect);
      model.off("change:draggable", repaint);
    },
  };
}
