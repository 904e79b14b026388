// Reports to the kernel whether a view is on the screen (Plot.visible): {sight: true or false, null when the view is removed}.
// Messages, not state, because each view of a plot, in each tab, reports for itself. On a page that is printed all are visible.

import { watchPrinting } from "./plot_printing.js";

const NEAR = "200px"; // views this close to the screen count as visible, so that they are drawn before the user scrolls to them

/**
 * @param {import("./types").Model} model
 * @param {Element} element
 * @returns {() => void} stops watching, and reports the view as removed
 */
export function watchVisibility(model, element) {
  const view = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  /** @type {boolean | null} */
  let intersects = null; // unknown until the observer's first report
  /** @type {boolean | null | undefined} */
  let lastSent;
  let number = 0; // kernels may handle messages on several threads, out of order: the highest number counts

  function report(/** @type {boolean | null} */ sight) {
    if (sight === lastSent) return;
    lastSent = sight;
    try {
      model.send({ view, number: ++number, sight });
    } catch (error) {
      console.debug("[prunelab] no kernel to tell", error); // it has ended, possibly because this page was closed
    }
  }

  let isPrinted = false;

  function update() {
    if (isPrinted) report(true);
    else if (document.visibilityState === "hidden") report(false);
    else if (intersects !== null) report(intersects);
  }

  const reportRemoval = () => report(null);
  const observer = new IntersectionObserver(
    (entries) => {
      intersects = entries.at(-1)?.isIntersecting ?? null;
      update();
    },
    { rootMargin: NEAR, scrollMargin: NEAR },
  );
  observer.observe(element);
  const stopPrinting = watchPrinting((isPrinting) => {
    isPrinted = isPrinting;
    update();
  });
  document.addEventListener("visibilitychange", update);
  globalThis.addEventListener("pagehide", reportRemoval);
  globalThis.addEventListener("pageshow", update);
  update();

  return () => {
    observer.disconnect();
    stopPrinting();
    document.removeEventListener("visibilitychange", update);
    globalThis.removeEventListener("pagehide", reportRemoval);
    globalThis.removeEventListener("pageshow", update);
    reportRemoval();
  };
}
