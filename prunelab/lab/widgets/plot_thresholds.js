// Thresholds that move in the browser itself, within a frame, before the kernel answers: the histograms' bins are there
// already. What a figure tells of its thresholds stands in layout.meta (views/weights.py): `cuts`, one for each histogram,
// and `preview`, whether it shows what would be. plotly.js takes 30 ms and more to draw a moved line, whichever of its
// functions is called; so bars, lines and labels are moved in its SVG by hand, which takes 1 ms.

const REST = 150; // ms without a movement after which the hand rests
const LAST_WORD = 3000; // ms after the last movement; what the kernel shows from then on counts, whatever was asked
// ms that all plots of the page wait for a hand's next movement: a picture takes two frames from it. Not more, or a single
// step would wait for nothing.
const QUIET = 35;
const TURN = 1000; // ms after which one of them is drawn all the same
const CLOSE = 1e-6; // qualities nearer than this are the same

// The plots of a page make way for one hand, whichever of them it moves.
const hand = { moved: -Infinity, drawn: -Infinity };

// When the hand moved last. What it did while the page was busy has not been told yet; where browsers can say so, ask.
function lastMove() {
  const now = performance.now();
  const pending = hand.moved + TURN > now && navigator.scheduling?.isInputPending?.({ includeContinuous: true });
  return pending ? now : hand.moved;
}

const near = (a, b) => Math.abs(a - b) < CLOSE;
const rounded = (quality) => Math.round(100 * quality) / 100;
const inWords = (value) => (value > 0 && value < 1e-4 ? value.toExponential(2) : value.toPrecision(3));

// The bars of one histogram as plotly.js drew them, by bin; a function that moves them to a threshold.
function histogram(canvas, cut) {
  const { _fullLayout: full, data } = canvas;
  const [x, y] = [full[`xaxis${cut.axis}`], full[`yaxis${cut.axis}`]];
  const traces = canvas.querySelectorAll(`.subplot.x${cut.axis}y${cut.axis} .barlayer .trace`);
  const [fallen, standing] = [...traces].map((trace) => [...trace.querySelectorAll(".point > path")]);
  const [gone, kept] = cut.traces.map((index) => data[index].y);
  const label = [...canvas.querySelectorAll(`.annotation[data-index="${cut.note}"] .annotation-text .line`)];
  const words = label.find((line) => line.textContent.startsWith("threshold"));
  const bins = fallen.map((path, i) => {
    const centre = data[cut.traces[0]].x[i];
    // Where plotly.js put its edges (on whole pixels), if there is anything to see.
    const edges = /^M([^,]+),[^V]+V[^H]+H([^V]+)V/.exec(path.getAttribute("d"));
    const [left, right] = edges ? edges.slice(1) : [x.c2p(centre), x.c2p(centre)];
    // What was cut before stays cut. A figure of what is shows it; one of what would be has to tell.
    const before = cut.before === null ? gone[i] : (cut.before[i] ?? 0);
    return { left, right, size: Math.abs(centre), total: gone[i] + kept[i], before, inside: null };
  });
  const bar = (bin, from, to) => `M${bin.left},${y.c2p(from)}V${y.c2p(to)}H${bin.right}V${y.c2p(from)}Z`;
  return (threshold) => {
    bins.forEach((bin, i) => {
      const inside = bin.size < threshold;
      if (inside === bin.inside) return;
      bin.inside = inside;
      const cutNow = inside ? bin.total : bin.before;
      fallen[i].setAttribute("d", bar(bin, 0, cutNow));
      standing[i].setAttribute("d", bar(bin, cutNow, bin.total));
    });
    if (words) words.textContent = `threshold ${inWords(threshold)}`;
  };
}

// `stage` holds the canvas and, over it, the lines; `repaint` draws the model's figure when the hand rests.
function followThresholds({ model, root, stage, canvas, widgetModel, repaint }) {
  const overlay = element("div", "prunelab-plot-lines", stage);
  overlay.setAttribute("aria-hidden", "true"); // by keyboard, thresholds are moved by their sliders
  const lines = new Map(); // by layer and side: the elements stay, so that a pointer can hold one across pictures
  const own = new Map(); // qualities that a hand gave single layers and that the kernel has not answered
  let all = null; // the same for the slider
  let cuts = [];
  let moves = null; // functions of histogram(), made when they are first needed after a picture
  let moved = -Infinity;
  let latest = null; // the quality that was asked for last
  let frame = 0;
  let timer = 0;
  let held = null;
  let unsent = null;
  let slider = null;
  let gone = false;

  const asking = () => all !== null || own.size > 0;
  const asked = (cut) => own.get(cut.layer) ?? (cut.follows ? all : null);
  const quality = (cut) => asked(cut) ?? cut.quality;
  const answers = (others) =>
    others.every((cut) => asked(cut) === null || (cut.quality !== null && near(asked(cut), cut.quality)));

  function forget() {
    all = null;
    own.clear();
  }

  function placeLines() {
    const used = new Set();
    for (const cut of cuts) {
      const threshold = quality(cut) * cut.deviation;
      const [x, y] = [`xaxis${cut.axis}`, `yaxis${cut.axis}`].map((name) => canvas._fullLayout[name]);
      for (const side of [-1, 1]) {
        const name = `${side} ${cut.layer}`;
        const at = x.c2p(side * threshold);
        const line = lines.get(name) ?? element("div", "prunelab-plot-line", overlay);
        if (!lines.has(name)) lines.set(name, watched(line, cut.layer, side));
        used.add(name);
        line.dataset.layer = cut.layer;
        line.dataset.side = side;
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
    moves ??= cuts.map((cut) => histogram(canvas, cut));
    cuts.forEach((cut, i) => {
      if (asked(cut) !== null && cut.deviation !== null) moves[i](asked(cut) * cut.deviation);
    });
    placeLines();
    root.toggleAttribute("data-live", true);
    root.dataset.threshold = String(Number(latest.toFixed(6))); // a slider's steps add up to 2.5000000000000004
  }

  function nextFrame() {
    frame = 0;
    if (!gone && asking() && root.dataset.state === "ready") show();
    send();
  }

  function ask(value) {
    latest = value;
    moved = performance.now();
    if (moved - hand.moved > TURN) hand.drawn = moved;
    hand.moved = moved;
    frame ||= requestAnimationFrame(nextFrame);
  }

  // ---- the slider

  function slid(changed, value, options) {
    // Only a view hands itself over: a change without one is the kernel's, which will show what it means.
    if (options?.updated_view) {
      all = value;
      ask(value);
    } else if (all !== null) {
      all = null;
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
    if (unsent === null) return;
    // State, not a message: while the kernel is busy with one, the latest replaces those that wait.
    model.set("dragged", { ...unsent, at: performance.timeOrigin + performance.now() });
    model.save_changes();
    unsent = null;
  }

  function watched(line, layer, side) {
    line.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !model.get("draggable")) return;
      event.preventDefault();
      line.setPointerCapture(event.pointerId);
      const box = line.getBoundingClientRect();
      held = { line, off: event.clientX - (box.left + box.right) / 2, quality: null };
      line.toggleAttribute("data-held", true);
    });
    line.addEventListener("pointermove", (event) => {
      const cut = cuts.find((each) => each.layer === layer);
      if (held?.line !== line || !cut?.deviation) return;
      const x = canvas._fullLayout[`xaxis${cut.axis}`];
      const at = event.clientX - held.off - overlay.getBoundingClientRect().left - x._offset;
      const reach = Math.max(0, side * x.p2c(Math.min(Math.max(at, 0), x._length))) / cut.deviation;
      const wanted = Math.min(rounded(reach), slider?.get("max") ?? Infinity);
      if (near(wanted, held.quality ?? quality(cut))) return;
      held.quality = wanted;
      own.set(layer, wanted);
      unsent = { layer, quality: wanted, final: false };
      ask(wanted);
    });
    for (const ending of ["pointerup", "pointercancel", "lostpointercapture"]) {
      line.addEventListener(ending, () => {
        if (held?.line !== line) return;
        if (held.quality !== null) unsent = { layer, quality: held.quality, final: true };
        held = null;
        line.toggleAttribute("data-held", false);
        send();
      });
    }
    return line;
  }

  // ---- for whoever draws the kernel's pictures

  // Whether a figure has to wait: a hand has moved lines on since this was its question; or it moves lines here or elsewhere,
  // and the figure takes long to draw. patches: gives null for such a one.
  function holds(figure, patches) {
    const now = performance.now();
    const cuts = figure?.layout?.meta?.cuts;
    const busy = lastMove() + QUIET - now;
    const late = asking() && !(cuts && answers(cuts));
    const slow = busy > 0 && patches() === null;
    const rest = Math.max(late ? moved + REST - now : 0, slow && hand.drawn + TURN > now ? busy : 0);
    if (rest > 0) again(rest);
    else if (slow) hand.drawn = now;
    return rest > 0;
  }

  function again(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(repaint, milliseconds);
  }

  // A picture of the kernel's is on the screen. If it answers, it replaces ours; else ours goes over it again, at once.
  function drawn(meta) {
    cuts = meta?.cuts ?? [];
    const preview = Boolean(meta?.preview);
    moves = null;
    const since = performance.now() - moved;
    if (answers(cuts) || since > LAST_WORD || (since > REST && !preview)) forget();
    root.toggleAttribute("data-draggable", Boolean(model.get("draggable")) && cuts.length > 0);
    const line = canvas.layout.shapes?.[0]?.line?.color;
    if (line) overlay.style.setProperty("--prunelab-plot-line", line);
    if (asking()) {
      show();
      again(LAST_WORD - since);
    } else {
      placeLines();
      root.toggleAttribute("data-live", false);
    }
  }

  connect();
  model.on("change:slider", connect);
  model.on("change:draggable", repaint);
  return {
    holds,
    drawn,
    end() {
      gone = true;
      clearTimeout(timer);
      slider?.off("change:value", slid);
      model.off("change:slider", connect);
      model.off("change:draggable", repaint);
    },
  };
}
