// What every page that draws our views with plotly.js has in common: the lab's plots and the report, a file of its own.

// Pixels that a view keeps above itself for its title (figure.py), which stands on the page instead, as text: one line of
// plotly.js's.
export const TITLE_LINE = 26;

export const CONFIG = {
  displaylogo: false,
  // No bar of buttons: it would stand in an element that is announced as one image, cover the title on touch screens, and
  // offer an upload to a cloud. The rest of the line about clouds is for whoever turns it on.
  displayModeBar: false,
  modeBarButtonsToRemove: ["sendChartToCloud", "sendDataToCloud", "editInChartStudio"],
  showSendToCloud: false,
  plotlyServerURL: "",
  scrollZoom: false,
  // Sizes are followed by a ResizeObserver, which also sees what is no change of the window.
  responsive: false,
};

/**
 * What was gzipped; `.text()` and `.blob()` read it.
 * @param {BlobPart} gzipped
 */
export function unzipped(gzipped) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old: the pictures need Chrome 80, Firefox 113, Safari 16.4 or later.");
  }
  return new Response(new Blob([gzipped]).stream().pipeThrough(new DecompressionStream("gzip")));
}
