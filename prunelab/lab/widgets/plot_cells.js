// Images of cells (a mask: one pixel of the image per connection) in whole pixels of the screen, so that all cells are equally
// large and have sharp edges. layout.meta.cells: the numbers of cells across and down of the only image.

/**
 * Shrinks the axes' domains so that each cell has a whole number of pixels, in the directions in which there is room for one.
 * @param {import("./types").Layout} layout changed
 * @param {{ width: number, height: number }} size of the picture, in px
 * @returns {boolean} whether no cell is smaller than a pixel
 */
export function fitCells(layout, { width, height }) {
  const [across, down] = layout.meta.cells;
  const { l = 0, r = 0, t = 0, b = 0 } = layout.margin ?? {};
  const ratio = globalThis.devicePixelRatio || 1;
  const share = (/** @type {number} */ room, /** @type {number} */ cells) => {
    const pixels = Math.floor((room * ratio) / cells); // of the screen, per cell
    return pixels < 1 ? 1 : (pixels * cells) / ratio / room;
  };
  const [wide, high] = [Math.max(1, width - l - r), Math.max(1, height - t - b)];
  layout.xaxis.domain = [0, share(wide, across)];
  layout.yaxis.domain = [1 - share(high, down), 1];
  return across <= wide * ratio && down <= high * ratio;
}
