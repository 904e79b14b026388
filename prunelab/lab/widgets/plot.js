// Draws the figure of a Plot (plots.py) with plotly.js. The model's state is the truth; nothing is kept here that could not be
// made again from it. plots.py puts this file behind colours.js, sight.js, patch.js, moves.js and thresholds.js: together they
// are one module, which loader.js loads once a page.

const SETTLED = 500; // ms without a change, after which a patched picture is drawn as a whole, if no hand is on the page
const UNSETTLED = 4000; // the same, however often it changes
const LEAST = 40; // px of width; in a place that is still narrower (a row being laid out) plotly.js sets titles at -Infinity

const CONFIG = {
  displaylogo: false,
  // No bar of buttons: it would stand in an element that is announced as one image, cover the title on touch screens, and
  // offer an upload to a cloud. The rest of the line about clouds is for whoever turns it on.
  displayModeBar: false,
  modeBarButtonsToRemove: ["sendChartToCloud", "sendDataToCloud", "editInChartStudio"],
  showSendToCloud: false,
  plotlyServerURL: "",
  scrollZoom: false,
  // The size is followed by our own ResizeObserver, which also sees what is no change of the window.
  responsive: false,
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => resolve()));

// One whole picture after the other on a page, and between two of them room for whatever else the page has to do: a hand
// that comes while six are being drawn waits for one of them.
let lastTurn = Promise.resolve();

function inTurn(work) {
  const done = lastTurn.then(work);
  lastTurn = done.catch(() => {}).then(() => globalThis.scheduler?.yield?.() ?? pause(0));
  return done;
}

// ---- the figure

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function checked(figure) {
  if (!isObject(figure)) throw new Error("the figure is not a dict with data and layout.");
  const { data = [], layout = {} } = figure;
  if (!Array.isArray(data)) throw new Error("the figure's data is not a list of traces.");
  if (!data.every(isObject)) throw new Error("a trace in the figure's data is not a dict.");
  if (!isObject(layout)) throw new Error("the figure's layout is not a dict.");
  // A copy, because plotly.js writes into what it is given, and other views on this page draw from the same state.
  return structuredClone({ data, layout });
}

// Larger type where the page asks for it (a projector), in the notes too, which have sizes of their own.
function enlarge(layout, scale) {
  if (scale === 1) return;
  layout.font.size = (layout.font.size ?? 12) * scale;
  for (const note of layout.annotations ?? []) if (note.font?.size) note.font.size *= scale;
  if (layout.margin) for (const side of ["l", "r", "t", "b"]) layout.margin[side] = (layout.margin[side] ?? 40) * scale;
}

// The page's part of a figure: colours, sizes, and the title as text of the page instead of a part of the picture: it wraps,
// it can be read out, selected and enlarged. The margin that the layout keeps for it shrinks by one line of plotly's.
const TITLE_LINE = 26;

function dressed({ data, layout }, canvas) {
  const template = layout.template?.layout ?? {};
  layout.autosize ??= true;
  layout.paper_bgcolor ??= template.paper_bgcolor ?? "rgba(0,0,0,0)";
  layout.plot_bgcolor ??= template.plot_bgcolor ?? "rgba(0,0,0,0)";
  // The page's own text colour, so that light and dark need nothing from the kernel.
  layout.font = { color: template.font?.color ?? getComputedStyle(canvas).color, ...layout.font };
  enlarge(layout, Number(getComputedStyle(canvas).getPropertyValue("--prunelab-plot-scale")) || 1);
  if (globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches) delete layout.transition;
  if (titleText(layout.title) && layout.margin?.t !== undefined) layout.margin.t = Math.max(0, layout.margin.t - TITLE_LINE);
  delete layout.title;
  const ground = groundOf(canvas);
  return wantsContrast() || isDark(ground) ? withContrast({ data, layout }, ground) : { data, layout };
}

const titleText = (title) => plain((typeof title === "string" ? title : title?.text) ?? "");

// What plotly.js would read as a little HTML, as text; in a document of its own, where nothing runs or is fetched.
const plain = (text) =>
  /[<&]/.test(text) ? new DOMParser().parseFromString(text, "text/html").body.textContent : text;

// ---- the view

function element(tag, name, parent) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

// A text that is there when it says something. One that stays the same costs no layout.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

// widgetModel, plotly: see loader.js.
export default function render({ model, el, widgetModel, plotly: loadPlotly }) {
  const root = element("div", "prunelab-plot", el);
  const caption = element("p", "prunelab-plot-title", root);
  const stage = element("div", "prunelab-plot-stage", root);
  const canvas = element("div", "prunelab-plot-canvas", stage);
  const says = element("p", "prunelab-plot-says", stage);
  const words = element("p", "prunelab-plot-words", root);
  const trouble = element("p", "prunelab-plot-trouble", root);
  canvas.setAttribute("role", "img");
  // The same words twice (as the picture's name, and as text that can be searched and copied) are read out once.
  words.setAttribute("aria-hidden", "true");
  trouble.setAttribute("role", "alert");
  trouble.hidden = says.hidden = true;
  root.dataset.state = "loading";
  root.dataset.revision = "";
  root.dataset.paints = "0";

  let plotly = null;
  let gone = false;
  let asked = false; // a picture is wanted that is newer than the one on the screen
  let whole = false; // and plotly.js has to draw all of it
  let drawn = null; // the figure that is on the screen
  let settling = 0;
  let patchedSince = null;
  let drawing = false;
  let spoilt = false; // plotly.js stumbled: what it left in the canvas is not to be built upon
  let size = null; // of the picture
  // Of its place; told by an observer, because to ask for it in the middle of changes makes the browser lay out the page.
  let place = { width: canvas.clientWidth, height: canvas.clientHeight };

  function describe() {
    const name = model.get("name") ?? "";
    const summary = model.get("summary") || name || "plot";
    root.dataset.plot = name;
    canvas.setAttribute("aria-label", summary);
    write(words, summary);
  }

  function complain(text) {
    write(trouble, text);
    root.dataset.state = "error";
  }

  // What has changed since the last picture, as changes to be made in place; null where plotly.js has to draw it.
  function changesNow() {
    if (whole || spoilt || !drawn || drawn.layout?.meta?.says) return null;
    // Bars that followed a hand stand elsewhere than the figure says that was drawn.
    return patches(canvas, drawn, model.get("figure"), root.hasAttribute("data-live"));
  }

  async function draw() {
    plotly ??= await loadPlotly();
    if (gone) return;
    if (model.get("trouble")) return complain(model.get("trouble")); // the kernel could not make a picture
    const changes = changesNow();
    if (changes) patch(changes);
    else await inTurn(() => gone || drawWhole());
    if (gone) return;
    const { title, meta } = drawn.layout ?? {};
    thresholds.drawn(meta);
    write(caption, titleText(title));
    await nextFrame();
    if (gone) return;
    write(trouble, "");
    root.dataset.paints = String(Number(root.dataset.paints) + 1);
    root.dataset.revision = String(meta?.revision ?? "");
    root.dataset.drawn = changes ? "patched" : "whole";
    root.dataset.state = "ready";
  }

  function patch(changes) {
    spoilt = true;
    for (const change of changes) change();
    spoilt = false;
    drawn = model.get("figure");
    settle();
  }

  async function drawWhole() {
    const figure = model.get("figure");
    const { data, layout } = checked(figure);
    canvas.style.height = layout.height > 0 ? `${layout.height}px` : "";
    write(says, plain(layout.meta?.says ?? ""));
    if (!says.hidden) layout.annotations = [];
    if (spoilt) plotly.purge(canvas);
    spoilt = true;
    whole = false;
    size = place;
    const dress = dressed({ data, layout }, canvas);
    await plotly.react(canvas, dress.data, dress.layout, CONFIG);
    spoilt = false;
    drawn = figure;
    patchedSince = null;
    clearTimeout(settling);
  }

  function settle() {
    const now = performance.now();
    patchedSince ??= now;
    settleIn(Math.max(0, Math.min(SETTLED, patchedSince + UNSETTLED - now)));
  }

  function settleIn(milliseconds) {
    clearTimeout(settling);
    settling = setTimeout(() => (lastMove() + SETTLED > performance.now() ? settleIn(SETTLED) : repaint()), milliseconds);
  }

  function repaint() {
    whole = true;
    paint();
  }

  // One picture at a time. Whatever is asked for while one is being drawn becomes one more, of the state as it is then.
  async function paint() {
    asked = true;
    if (drawing) return;
    drawing = true;
    while (asked && !gone && place.width >= LEAST && !thresholds.holds(model.get("figure"), changesNow)) {
      asked = false;
      try {
        await draw();
      } catch (error) {
        console.warn("[prunelab] plot not drawn", error);
        if (!gone) complain(`This plot could not be drawn: ${error?.message || error}`);
      }
    }
    drawing = false;
  }

  // Also how a plot that was hidden (a tab, a start screen) gets its first or its newest picture.
  const sizes = new ResizeObserver(([{ contentRect: { width, height } }]) => {
    place = { width, height };
    if (size && (size.width !== width || size.height !== height)) repaint();
    else if (asked) paint();
  });
  const theme = new MutationObserver(repaint);
  const page = el.closest(".prunelab"); // large type is switched by a class there
  if (page) theme.observe(page, { attributeFilter: ["class"] });
  const queries = ["(prefers-color-scheme: dark)", ...CONTRAST_QUERIES].map((query) => globalThis.matchMedia(query));
  const thresholds = followThresholds({ model, root, stage, canvas, widgetModel, repaint: paint });
  const leaveSight = watchSight(model, root);

  describe();
  model.on("change:name", describe);
  model.on("change:summary", describe);
  model.on("change:figure", paint);
  model.on("change:trouble", paint);
  sizes.observe(canvas);
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-name"] });
  for (const query of queries) query.addEventListener("change", repaint);
  paint();

  return () => {
    gone = true;
    clearTimeout(settling);
    model.off("change:name", describe);
    model.off("change:summary", describe);
    model.off("change:figure", paint);
    model.off("change:trouble", paint);
    sizes.disconnect();
    theme.disconnect();
    for (const query of queries) query.removeEventListener("change", repaint);
    thresholds.end();
    leaveSight();
    plotly?.purge(canvas);
    root.remove();
  };
}
