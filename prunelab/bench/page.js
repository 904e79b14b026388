// The part of `prunelab bench browser` that measures inside the page, with performance.now(). Injected before other scripts run.
globalThis.prunelabBench = (() => {
  const PATIENCE = 20000; // ms after which an input without a visible effect is an error
  /** @returns {Promise<void>} */
  const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => resolve()));
  const all = (/** @type {string} */ selector) =>
    /** @type {HTMLElement[]} */ ([...document.querySelectorAll(selector)]);
  const isLaidOut = (/** @type {Element} */ element) => element.getClientRects().length > 0;

  /** @param {string} selector of an element that every lab has */
  const first = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));

  /**
   * The revision that a plot of the lab reports as shown.
   * @param {HTMLElement} plot
   * @returns {{ phase?: string, round?: number, clock?: number, quality?: number | null }}
   */
  const shown = (plot) => JSON.parse(plot.dataset.revision || "{}");

  function isInView(/** @type {Element} */ element) {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  }

  /**
   * The two pages that are measured: when they are usable and all that is in view is drawn, and which value each watched
   * element shows.
   * @typedef {{ handle: string, isUsable(): boolean, isDrawn(): boolean, watched(): HTMLElement[],
   *   value(part: HTMLElement): number }} Watched
   * @type {{ lab: Watched, bare: Watched }}
   */
  const PAGES = {
    lab: {
      handle: ".pl-prune .prunelab-number-handle",
      isUsable() {
        const { phase, link } = all(".prunelab")[0]?.dataset ?? {};
        return Boolean(phase) && phase !== "new" && link === "alive"; // a trained network, whose kernel answers
      },
      isDrawn() {
        const plots = all(".prunelab-plot");
        return (
          plots.length >= all(".pl-panel").length &&
          plots.length > 0 &&
          plots.every((plot) => !isInView(plot) || plot.dataset.state === "ready")
        );
      },
      watched: () => all(".pl-panel:not(.pl-timeless) .prunelab-plot").filter(isInView),
      value: (plot) => shown(plot).quality ?? Number.NaN,
    },
    bare: {
      handle: ".bench-bare .noUi-handle",
      isUsable: () => all(".bench-label").some(isLaidOut),
      isDrawn: () => true,
      watched: () => all(".bench-label"),
      value: (label) => Number(label.textContent),
    },
  };

  const isUsable = (/** @type {Watched} */ page) =>
    all(page.handle).some(isLaidOut) && !document.querySelector("#loading") && page.isUsable();

  // Milliseconds from the start of the navigation until the page is usable.
  async function usable(/** @type {"lab" | "bare"} */ kind) {
    while (!isUsable(PAGES[kind])) await nextFrame();
    return performance.now();
  }

  // Milliseconds from the start of the navigation until the page is usable and all that is in view is drawn.
  async function drawn(/** @type {"lab" | "bare"} */ kind) {
    await usable(kind);
    while (!PAGES[kind].isDrawn()) await nextFrame();
    return performance.now();
  }

  // Milliseconds from the moment at which the lab is usable, when its slider is pressed, until the page says what is cut.
  async function firstCut() {
    while (!isUsable(PAGES.lab)) await nextFrame();
    const root = all(".prunelab")[0];
    const handle = all(PAGES.lab.handle)[0];
    const before = handle.getAttribute("aria-valuetext");
    const pressedAt = performance.now();
    for (const type of ["keydown", "keyup"])
      handle.dispatchEvent(new KeyboardEvent(type, { key: "ArrowRight", bubbles: true }));
    const asked = handle.getAttribute("aria-valuetext");
    if (asked === before) throw new Error("the slider is not moved by a key");
    while (Number(root.dataset.preview) !== Number(asked)) await nextFrame();
    return performance.now() - pressedAt;
  }

  // Measurements in progress: `measuring`, of one input; `following`, of a dragged slider.
  const state = {
    /** @type {Promise<number> | null} */
    measuring: null,
    /** @type {(() => number[]) | null} */
    following: null,
  };

  /**
   * Prepares to measure one key press that sets the slider to `target`; `taken` resolves to its latency in ms.
   * @param {"lab" | "bare"} kind
   * @param {number} target
   */
  function arm(kind, target) {
    const page = PAGES[kind];
    const watched = page.watched();
    if (!watched.length) throw new Error("nothing to watch is in view");
    state.measuring = new Promise((resolve, reject) => {
      /** @type {number | null} */
      let startedAt = null;
      const observer = new MutationObserver(check);
      const timer = setTimeout(
        () => end(new Error(`the value ${target} was not shown: ${watched.map(page.value)}`)),
        PATIENCE,
      );
      const recordStart = (/** @type {Event} */ event) => {
        startedAt ??= event.timeStamp;
      };
      document.addEventListener("keydown", recordStart, { capture: true });
      observer.observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true,
        attributeFilter: ["data-revision"],
      });

      function end(/** @type {Error | null} */ error) {
        clearTimeout(timer);
        observer.disconnect();
        document.removeEventListener("keydown", recordStart, { capture: true });
        if (error) reject(error);
        else resolve(performance.now() - (startedAt ?? Number.NaN));
      }

      async function check() {
        if (startedAt === null || !watched.every((part) => Math.abs(page.value(part) - target) < 1e-6)) return;
        observer.disconnect();
        // A plot reports its revision one frame after it was drawn; wait one frame for a label too.
        if (kind === "bare") await nextFrame();
        end(null);
      }
    });
    state.measuring.catch(() => {}); // taken() reports it
  }

  const taken = () => state.measuring;

  /**
   * Prepares to measure the time from one event of `kind` until `shown` is true; `taken` resolves to it, in ms.
   * @param {"keydown" | "keyup" | "pointermove"} kind
   * @param {() => boolean} shown
   */
  function watchFor(kind, shown) {
    state.measuring = new Promise((resolve, reject) => {
      /** @type {number | null} */
      let startedAt = null;
      const recordStart = (/** @type {Event} */ event) => {
        startedAt ??= event.timeStamp;
      };
      const observer = new MutationObserver(() => {
        if (startedAt === null || !shown()) return;
        end(null);
      });
      const timer = setTimeout(() => end(new Error(`nothing was shown after ${kind}`)), PATIENCE);
      addEventListener(kind, recordStart, { capture: true });
      observer.observe(document.body, {
        subtree: true,
        attributes: true,
        attributeFilter: ["data-revision", "data-position", "data-clock", "data-phase", "data-paints"],
      });
      function end(/** @type {Error | null} */ error) {
        clearTimeout(timer);
        observer.disconnect();
        removeEventListener(kind, recordStart, { capture: true });
        if (error) reject(error);
        else resolve(performance.now() - (startedAt ?? Number.NaN));
      }
    });
    state.measuring.catch(() => {}); // taken() reports it
  }

  // One step of the scrubber, until all pictures in view show the snapshot that the page reports.
  function armScrubber() {
    const root = first(".prunelab");
    const name = () => `${root.dataset.phase} ${root.dataset.round} ${root.dataset.clock}`;
    const before = name();
    const watched = PAGES.lab.watched();
    const isCurrent = (/** @type {HTMLElement} */ plot) => {
      const { phase, round, clock } = shown(plot);
      return `${phase} ${round} ${clock}` === name();
    };
    watchFor("keydown", () => name() !== before && watched.every(isCurrent));
  }

  // One stroke on the sheet, until the probabilities are redrawn.
  function armStroke() {
    const plot = first(".pl-draw .prunelab-plot");
    const before = plot.dataset.paints;
    watchFor("pointermove", () => plot.dataset.paints !== before);
  }

  // A slider that is let go with the switch "live": until the histogram shows the first cut of the new run, or until all rounds
  // are done. It has to stand at the dense network before.
  function armLive(/** @type {number | null} */ rounds) {
    const root = first(".prunelab");
    const plot = first(".prunelab-plot[data-plot=weights]");
    watchFor("keyup", () =>
      rounds === null
        ? shown(plot).round === 1
        : root.dataset.phase === "retrained" && Number(root.dataset.round) === rounds,
    );
  }

  const heap = () => performance.memory.usedJSHeapSize;

  // While the slider is dragged: milliseconds from a mouse movement until the lines have reached the slider's value. If another
  // movement comes before the first is shown, time counts from the first. `dragged` stops this and returns the list of times.
  function follow() {
    const plot = first(".prunelab-plot[data-plot=weights]");
    const handle = first(PAGES.lab.handle);
    const hasCaughtUp = () =>
      Math.abs(Number(handle.getAttribute("aria-valuetext")) - Number(plot.dataset.threshold ?? Number.NaN)) < 1e-6;
    /** @type {number[]} */
    const times = [];
    /** @type {number | null} */
    let startedAt = null;
    // `before` runs before the slider handles the event (capture), `after` runs after it.
    const before = (/** @type {Event} */ event) => {
      startedAt ??= event.timeStamp;
    };
    const after = () => {
      if (hasCaughtUp()) startedAt = null;
    };
    const observer = new MutationObserver(async () => {
      if (startedAt === null || !hasCaughtUp()) return;
      const from = startedAt;
      startedAt = null;
      await nextFrame(); // as for all plots, one frame after drawing
      times.push(performance.now() - from);
    });
    observer.observe(plot, { attributes: true, attributeFilter: ["data-threshold"] });
    addEventListener("pointermove", before, { capture: true });
    addEventListener("pointermove", after);
    state.following = () => {
      observer.disconnect();
      removeEventListener("pointermove", before, { capture: true });
      removeEventListener("pointermove", after);
      return times;
    };
  }

  const dragged = () => state.following?.();

  // Training steps per second, from the first to the last change of the lab's clock within `seconds`.
  function speed(/** @type {number} */ seconds) {
    const root = first(".prunelab");
    /** @type {[time: number, steps: number][]} */
    const changes = [];
    const observer = new MutationObserver(() => changes.push([performance.now(), Number(root.dataset.clock)]));
    observer.observe(root, { attributes: true, attributeFilter: ["data-clock"] });
    return new Promise((resolve, reject) =>
      setTimeout(() => {
        observer.disconnect();
        if (changes.length < 2) return reject(new Error(`the clock changed ${changes.length} times in ${seconds} s`));
        const [from, to] = [changes[0], changes[changes.length - 1]];
        resolve((to[1] - from[1]) / ((to[0] - from[0]) / 1000));
      }, 1000 * seconds),
    );
  }

  return { PAGES, usable, drawn, firstCut, arm, armScrubber, armStroke, armLive, taken, follow, dragged, speed, heap };
})();
