// Tells the kernel whether a view is on the screen (Plot.visible): {sight: true, false, or null when the view is gone}.
// Messages, not state: every view of a plot, in every tab, has its own to tell.

const NEAR = "200px"; // what a short scroll brings into view counts as visible: it is drawn when it gets there

/**
 * @param {import("./types").Model} model
 * @param {Element} element
 * @returns {() => void} ends it
 */
export function watchSight(model, element) {
  const view = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  /** @type {boolean | null} */
  let intersects = null; // not known before the browser's first report
  /** @type {boolean | null | undefined} */
  let told;
  let number = 0; // kernels may handle messages on several threads: the highest number counts

  function tell(/** @type {boolean | null} */ sight) {
    if (sight === told) return;
    told = sight;
    try {
      model.send({ view, number: ++number, sight });
    } catch (error) {
      console.debug("[prunelab] no kernel to tell", error); // it ended, perhaps with this very page
    }
  }

  function look() {
    if (document.visibilityState === "hidden") tell(false);
    else if (intersects !== null) tell(intersects);
  }

  const leave = () => tell(null);
  const observer = new IntersectionObserver(
    (entries) => {
      intersects = entries.at(-1)?.isIntersecting ?? null;
      look();
    },
    { rootMargin: NEAR, scrollMargin: NEAR },
  );
  observer.observe(element);
  document.addEventListener("visibilitychange", look);
  globalThis.addEventListener("pagehide", leave);
  globalThis.addEventListener("pageshow", look);
  look();

  return () => {
    observer.disconnect();
    document.removeEventListener("visibilitychange", look);
    globalThis.removeEventListener("pagehide", leave);
    globalThis.removeEventListener("pageshow", look);
    leave();
  };
}
