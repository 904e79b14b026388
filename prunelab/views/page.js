// Shared by all pages that draw our views with plotly.js: the lab's plots and the report, a standalone file.

// Pixels that a view reserves above the plot for its title (figure.py): one line in plotly.js. The page shows the title as
// text instead.
export const TITLE_LINE = 26;

export const CONFIG = {
  displaylogo: false,
  // No mode bar: it would be inside an element that is announced as one image, cover the title on touch screens, and offer
  // an upload to a cloud service. The cloud settings below apply if someone turns it on.
  displayModeBar: false,
  modeBarButtonsToRemove: ["sendChartToCloud", "sendDataToCloud", "editInChartStudio"],
  showSendToCloud: false,
  plotlyServerURL: "",
  scrollZoom: false,
  // A ResizeObserver follows sizes instead, because it also reports changes other than those of the window.
  responsive: false,
};

/**
 * The decompressed content as a Response: read it with `.text()` or `.blob()`.
 * @param {BlobPart} gzipped
 */
export function unzipped(gzipped) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old: the pictures need Chrome 80, Firefox 113, Safari 16.4 or later.");
  }
  return new Response(new Blob([gzipped]).stream().pipeThrough(new DecompressionStream("gzip")));
}
