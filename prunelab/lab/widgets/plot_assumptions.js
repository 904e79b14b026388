// What the in-place changes (plot_patch.js, plot_moves.js, plot_thresholds.js) take for granted about plotly.js's own drawing,
// which no documentation promises: how axes reckon, which element belongs to which part of a figure, how places are written.
//
// Checked with plotly.js 3.0.0, 3.7.0, 4.0.0 and 4.1.1 (plotly 6.0.0, 6.9.0, 7.0.0 and 7.1.0 for Python) by
// tests/browser/test_patching.py and test_dragging.py. Of another major version nothing is taken for granted: plotly.js draws
// all pictures itself. Of these, each picture is looked at before it is changed: that its parts are there, as many as
// there should be, and stand where they should.

const CHECKED_MAJORS = ["3", "4"];
const TOLERANCE = 2; // px: plotly.js puts some edges on whole pixels, and leaves no bar thinner than one

/** @param {{ version?: unknown }} plotly */
export const isChecked = (plotly) => CHECKED_MAJORS.includes(String(plotly.version).split(".")[0]);

/** The drawing is not as these scripts know it: nothing in it is to be built upon. */
class Unexpected extends Error {}

/**
 * @param {unknown} holds
 * @param {string} what the assumption, in words
 * @returns {asserts holds}
 */
export function assume(holds, what) {
  if (!holds) throw new Unexpected(`not as expected: ${what}`);
}

/**
 * Assumes that numbers which plotly.js wrote into its drawing are those that we would have written.
 * @param {ArrayLike<string | number>} drawn
 * @param {number[]} wanted
 * @param {string} what
 */
export function assumeNear(drawn, wanted, what) {
  assume(drawn.length === wanted.length && wanted.every((at, i) => Math.abs(Number(drawn[i]) - at) <= TOLERANCE), what);
}

/**
 * plotly.js's own object of an axis.
 * @param {import("./types").Canvas} canvas
 * @param {string} name "xaxis", "yaxis2", ...
 * @returns {import("./types").DrawnAxis | undefined}
 */
export function drawnAxis(canvas, name) {
  const axis = canvas._fullLayout[name];
  if (!axis) return undefined;
  const isWhole =
    Number.isFinite(axis._offset) && Number.isFinite(axis._length) && axis._id && axis.c2p && axis.setScale;
  assume(isWhole && axis.range?.length === 2, `${name} with its scale`);
  return axis;
}
