// Draws the pictures of a report, and swaps them as the scrubber moves. Everything it needs stands in the file itself.
"use strict";
(() => {
  const PAPER = 660; // pixels across a printed page: A4 or Letter less its margins
  const TITLE = 26; // pixels that a view keeps above itself for its title, which stands on the page instead
  const CONFIG = { displaylogo: false, displayModeBar: false, showSendToCloud: false, plotlyServerURL: "", responsive: false };

  const find = (id) => document.getElementById(id);
  const book = JSON.parse(find("pictures").textContent);
  const scrubber = find("moment");
  const panels = book.panels.map((panel) => {
    const root = document.querySelector(`figure[data-panel="${panel.name}"]`);
    const part = (selector) => root.querySelector(selector);
    return { ...panel, root, title: part("h3"), plot: part(".plot"), words: part(".words"), choice: part("select"), drawn: "" };
  });
  let printing = false;

  async function library() {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("this browser is too old: it takes Chrome 80, Firefox 113, Safari 16.4 or later.");
    }
    const packed = Uint8Array.from(atob(find("plotly").textContent), (letter) => letter.charCodeAt(0));
    const script = document.createElement("script");
    script.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    document.head.append(script);
  }

  function complain(error) {
    console.warn("[prunelab] not drawn", error);
    document.body.dataset.state = "error";
    find("trouble").textContent = `Not all pictures could be drawn: ${error?.message || error}`;
    find("trouble").hidden = false;
  }

  function show(panel, moment) {
    const number = panel.choices[panel.choice?.selectedIndex ?? 0][moment];
    const ink = printing ? "#000" : getComputedStyle(panel.plot).color;
    const width = printing ? PAPER : panel.plot.clientWidth;
    const drawn = [number, ink, width].join();
    if (drawn === panel.drawn) return;
    panel.drawn = drawn;
    const { title, words, data, layout } = structuredClone(book.views[number]);
    panel.title.textContent = title;
    panel.words.textContent = words;
    panel.plot.setAttribute("aria-label", `${title}. ${words}`);
    layout.font = { family: getComputedStyle(document.body).fontFamily, ...layout.font, color: ink };
    layout.margin.t = Math.max(8, layout.margin.t - TITLE);
    // Cells that are enlarged keep their edges; cells smaller than a pixel are averaged.
    panel.plot.classList.toggle("coarse", (layout.images ?? []).every((image) => image.sizex <= width));
    Object.assign(layout, { width, height: panel.plot.clientHeight, autosize: false });
    return Plotly.react(panel.plot, data, layout, CONFIG);
  }

  function draw() {
    const moment = Number(scrubber.value);
    find("now").textContent = book.moments[moment];
    scrubber.setAttribute("aria-valuetext", book.moments[moment]);
    const drawing = panels.map(async (panel) => show(panel, moment));
    return Promise.all(drawing).then(() => {
      document.body.dataset.moment = String(moment);
      document.body.dataset.state = "ready";
    }, complain);
  }

  // At most one picture of everything a frame, of the latest state.
  let asked = false;
  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (!printing) draw();
    });
  }

  function print(now) {
    printing = now;
    draw();
  }

  library().then(() => {
    draw();
    scrubber.addEventListener("input", ask);
    for (const panel of panels) panel.choice?.addEventListener("change", ask);
    new ResizeObserver(ask).observe(document.body);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ask);
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
  }).catch(complain);
})();
