// What `prunelab bench browser` measures inside the page, by the page's own clock. Put there before anything else runs.
globalThis.prunelabBench = (() => {
  const PATIENCE = 20000; // ms until a press counts as lost
  /** @returns {Promise<void>} */
  const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => resolve()));
  const all = (/** @type {string} */ selector) =>
    /** @type {HTMLElement[]} */ ([...document.querySelectorAll(selector)]);
  const isLaidOut = (/** @type {Element} */ element) => element.getClientRects().length > 0;

  /** @param {string} selector of what is there in a lab */
  const the = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));

  /**
   * What a plot of the lab says that it shows.
   * @param {HTMLElement} plot
   * @returns {{ phase?: string, round?: number, clock?: number, quality?: number | null }}
   */
  const shown = (plot) => JSON.parse(plot.dataset.revision || "{}");

  function isInView(/** @type {Element} */ element) {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  }

  /**
   * The two pages: when they can be used, and what value stands on the screen.
   * @typedef {{ handle: string, isUsable(): boolean, watched(): HTMLElement[], value(part: HTMLElement): number }} Watched
   * @type {{ lab: Watched, bare: Watched }}
   */
  const PAGES = {
    lab: {
      handle: ".pl-prune .noUi-handle",
      isUsable() {
        const plots = all(".prunelab-plot");
        const phase = all(".prunelab")[0]?.dataset.phase;
        return (
          phase !== undefined &&
          phase !== "" &&
          phase !== "new" &&
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
      watched: () => all(".bench-label"),
      value: (label) => Number(label.textContent),
    },
  };

  const isUsable = (/** @type {Watched} */ page) =>
    all(page.handle).some(isLaidOut) && !document.querySelector("#loading") && page.isUsable();

  // Milliseconds from the start of the navigation until the page can be used.
  async function usable(/** @type {"lab" | "bare"} */ kind) {
    while (!isUsable(PAGES[kind])) await nextFrame();
    return performance.now();
  }

  // What is under way: `measuring` one press, `following` a slider that is dragged.
  const state = {
    /** @type {Promise<number> | null} */
    measuring: null,
    /** @type {(() => number[]) | null} */
    following: null,
  };

  /**
   * Get ready for one press of a key that puts the slider to `wanted`; `taken` waits for its milliseconds.
   * @param {"lab" | "bare"} kind
   * @param {number} wanted
   */
  function arm(kind, wanted) {
    const page = PAGES[kind];
    const watched = page.watched();
    if (!watched.length) throw new Error("nothing to watch is in view");
    state.measuring = new Promise((resolve, reject) => {
      /** @type {number | null} */
      let began = null;
      const observer = new MutationObserver(check);
      const timer = setTimeout(
        () => end(new Error(`the value ${wanted} was not shown: ${watched.map(page.value)}`)),
        PATIENCE,
      );
      const note = (/** @type {Event} */ event) => {
        began ??= event.timeStamp;
      };
      document.addEventListener("keydown", note, { capture: true });
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
        document.removeEventListener("keydown", note, { capture: true });
        if (error) reject(error);
        else resolve(performance.now() - (began ?? Number.NaN));
      }

      async function check() {
        if (began === null || !watched.every((part) => Math.abs(page.value(part) - wanted) < 1e-6)) return;
        observer.disconnect();
        // A plot says its revision one frame after it was drawn; a label gets the same.
        if (kind === "bare") await nextFrame();
        end(null);
      }
    });
    state.measuring.catch(() => {}); // told by taken()
  }

  const taken = () => state.measuring;

  /**
   * Get ready for one event of `kind`, after which `shown` will be true; `taken` waits for its milliseconds.
   * @param {"keydown" | "pointermove"} kind
   * @param {() => boolean} shown
   */
  function watchFor(kind, shown) {
    state.measuring = new Promise((resolve, reject) => {
      /** @type {number | null} */
      let began = null;
      const note = (/** @type {Event} */ event) => {
        began ??= event.timeStamp;
      };
      const observer = new MutationObserver(() => {
        if (began === null || !shown()) return;
        end(null);
      });
      const timer = setTimeout(() => end(new Error(`nothing was shown after ${kind}`)), PATIENCE);
      addEventListener(kind, note, { capture: true });
      observer.observe(document.body, {
        subtree: true,
        attributes: true,
        attributeFilter: ["data-revision", "data-position", "data-clock", "data-phase", "data-paints"],
      });
      function end(/** @type {Error | null} */ error) {
        clearTimeout(timer);
        observer.disconnect();
        removeEventListener(kind, note, { capture: true });
        if (error) reject(error);
        else resolve(performance.now() - (began ?? Number.NaN));
      }
    });
    state.measuring.catch(() => {}); // told by taken()
  }

  // One step of the scrubber: until all pictures in view show the moment that the page says it shows.
  function armScrubber() {
    const root = the(".prunelab");
    const name = () => `${root.dataset.phase} ${root.dataset.round} ${root.dataset.clock}`;
    const before = name();
    const watched = PAGES.lab.watched();
    const isCurrent = (/** @type {HTMLElement} */ plot) => {
      const { phase, round, clock } = shown(plot);
      return `${phase} ${round} ${clock}` === name();
    };
    watchFor("keydown", () => name() !== before && watched.every(isCurrent));
  }

  // One stroke on the sheet: until the probabilities are painted anew.
  function armStroke() {
    const plot = the(".pl-draw .prunelab-plot");
    const before = plot.dataset.paints;
    watchFor("pointermove", () => plot.dataset.paints !== before);
  }

  const heap = () => performance.memory.usedJSHeapSize;

  // While the slider is dragged: milliseconds from a movement of the mouse until the lines stand where the slider does.
  // A movement that comes before an earlier one is shown counts from the earlier one. `dragged` ends it and gives the list.
  function follow() {
    const plot = the(".prunelab-plot[data-plot=weights]");
    const handle = the(PAGES.lab.handle);
    const stands = () =>
      Math.abs(Number(handle.getAttribute("aria-valuetext")) - Number(plot.dataset.threshold ?? Number.NaN)) < 1e-6;
    /** @type {number[]} */
    const times = [];
    /** @type {number | null} */
    let began = null;
    // Before the slider hears of it, and after.
    const before = (/** @type {Event} */ event) => {
      began ??= event.timeStamp;
    };
    const after = () => {
      if (stands()) began = null;
    };
    const observer = new MutationObserver(async () => {
      if (began === null || !stands()) return;
      const from = began;
      began = null;
      await nextFrame(); // as for every plot: one frame after it was drawn
      times.push(performance.now() - from);
    });
    observer.observe(plot, { attributes: true, attributeFilter: ["data-threshold"] });
    addEventListener("mousemove", before, { capture: true });
    addEventListener("mousemove", after);
    state.following = () => {
      observer.disconnect();
      removeEventListener("mousemove", before, { capture: true });
      removeEventListener("mousemove", after);
      return times;
    };
  }

  const dragged = () => state.following?.();

  // Training steps a second over `seconds`, from the first to the last change of the lab's clock in that time.
  function speed(/** @type {number} */ seconds) {
    const root = the(".prunelab");
    /** @type {[time: number, steps: number][]} */
    const seen = [];
    const observer = new MutationObserver(() => seen.push([performance.now(), Number(root.dataset.clock)]));
    observer.observe(root, { attributes: true, attributeFilter: ["data-clock"] });
    return new Promise((resolve, reject) =>
      setTimeout(() => {
        observer.disconnect();
        if (seen.length < 2) return reject(new Error(`the clock changed ${seen.length} times in ${seconds} s`));
        const [from, to] = [seen[0], seen[seen.length - 1]];
        resolve((to[1] - from[1]) / ((to[0] - from[0]) / 1000));
      }, 1000 * seconds),
    );
  }

  return { PAGES, usable, arm, armScrubber, armStroke, taken, follow, dragged, speed, heap };
})();
