// Tells when the page is printed, before and after: the browser prints what is there when the last listener has returned.

/**
 * @param {(isPrinting: boolean) => void} change called when it begins and when it ends
 * @returns {() => void} stops watching
 */
export function watchPrinting(change) {
  const query = matchMedia("print");
  const state = { isPrinting: false };
  const set = (/** @type {boolean} */ now) => {
    if (now === state.isPrinting) return;
    state.isPrinting = now;
    change(now);
  };
  const begin = () => set(true);
  const end = () => set(false);
  const follow = () => set(query.matches);
  addEventListener("beforeprint", begin);
  addEventListener("afterprint", end);
  query.addEventListener("change", follow);
  return () => {
    removeEventListener("beforeprint", begin);
    removeEventListener("afterprint", end);
    query.removeEventListener("change", follow);
  };
}
