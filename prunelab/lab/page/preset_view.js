// The picture of a preset, where it is out of view when the preset is pressed: a phone shows the deck before it.

/**
 * Scrolls to it as soon as it is there, until the function that is returned is called.
 * @param {() => Element | null} root the lab on the page, null before it is there
 */
export function showPresets(root) {
  const seen = new ResizeObserver(([entry]) => {
    if (!entry.contentRect.height) return; // hidden yet
    seen.disconnect();
    const { top, bottom } = entry.target.getBoundingClientRect();
    const foot = root()?.querySelector(".pl-foot")?.getBoundingClientRect().top ?? innerHeight; // over the pictures
    const inView = Math.min(bottom, foot, innerHeight) - Math.max(top, 0);
    if (inView < (bottom - top) / 2) entry.target.scrollIntoView({ block: "nearest" });
  });
  const pressed = (/** @type {MouseEvent} */ event) => {
    if (!(event.target instanceof Element) || !event.target.closest(".pl-preset")) return;
    const picture = root()?.contains(event.target) && root()?.querySelector(".pl-compare .prunelab-plot");
    if (picture) seen.observe(picture);
  };
  addEventListener("click", pressed);
  return () => {
    removeEventListener("click", pressed);
    seen.disconnect();
  };
}
