// What the in-place changes (plot_patch.js, plot_moves.js with what it imports, plot_thresholds.js) assume about the SVG that
// plotly.js draws, which is undocumented: how axes convert values to pixels, which element belongs to which part of a figure,
// how positions are written.
//
// Checked with plotly.js 3.0.0, 3.7.0, 4.0.0 and 4.1.1 (plotly 6.0.0, 6.9.0, 7.0.0 and 7.1.0 for Python) by
// tests/browser/test_patching.py and test_dragging.py. With any other major version nothing is assumed: plotly.js draws all
// pictures itself. With these, each picture is checked before it is changed: its parts must exist, in the expected number and
// at the expected positions.

const CHECKED_MAJORS = ["3", "4"];
const TOLERANCE = 2; // px: plotly.js rounds some edges to whole pixels, and makes no bar thinner than one

/** @param {{ version?: unknown }} plotly */
export const isChecked = (plotly) => CHECKED_MAJORS.includes(String(plotly.version).split(".")[0]);

/** The drawing differs from what these scripts were checked with, and must not be changed in place. */
class UnexpectedDrawing extends Error {}

/**
 * Throws unless `condition` holds.
 * @param {unknown} condition
 * @param {string} what the assumption, in words
 * @returns {asserts condition}
 */
export function assume(condition, what) {
  if (!condition) throw new UnexpectedDrawing(`not as expected: ${what}`);
}

/**
 * Throws unless numbers in plotly.js's drawing are within TOLERANCE of those that we computed.
 * @param {ArrayLike<string | number>} drawn
 * @param {number[]} computed
 * @param {string} what
 */
export function assumeNear(drawn, computed, what) {
  assume(
    drawn.length === computed.length && computed.every((at, i) => Math.abs(Number(drawn[i]) - at) <= TOLERANCE),
    what,
  );
}

/**
 * plotly.js's internal object for an axis.
 * @param {import("./types").Canvas} canvas
 * @param {string} name "xaxis", "yaxis2", ...
 * @returns {import("./types").DrawnAxis | undefined}
 */
export function drawnAxis(canvas, name) {
  const axis = canvas._fullLayout[name];
  if (!axis) return undefined;
  const isComplete =
    Number.isFinite(axis._offset) && Number.isFinite(axis._length) && axis._id && axis.c2p && axis.setScale;
  assume(isComplete && axis.range?.length === 2, `${name} with its scale`);
  return axis;
}
