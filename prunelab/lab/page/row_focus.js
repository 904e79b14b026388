// Rows that a finger moves sideways on a phone: browsers leave what takes the focus where it is if a part of it is seen.

const ROWS = ".pl-gallery, .pl-switches, .pl-presets, .prunelab-download-bar";

/**
 * Moves these rows so that what takes the focus by a key is seen whole, until the function that is returned is called.
 * @param {() => Element | null} root the lab on the page, null before it is there
 */
export function showFocusInRows(root) {
  const focused = (/** @type {FocusEvent} */ event) => {
    const target = event.target;
    if (!(target instanceof Element) || !root()?.contains(target)) return;
    // What a finger has just touched stays under it.
    if (target.closest(ROWS) && target.matches(":focus-visible"))
      target.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  addEventListener("focusin", focused);
  return () => removeEventListener("focusin", focused);
}
