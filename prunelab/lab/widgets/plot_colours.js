// Adjusts colours for dark pages, on which the darkest of the palette have too little contrast, and for users who have set
// their system to more contrast (prefers-contrast) or to a limited palette (forced-colors, where browsers leave the fills of
// an SVG unchanged). The same rules apply to every figure.

// WCAG 2.2, 1.4.3 and 1.4.11. The minimum for graphics, no more: orange as dark as blue could not be distinguished from it.
const MIN_CONTRAST = { text: 4.5, graphics: 3 };
export const CONTRAST_QUERIES = ["(prefers-contrast: more)", "(forced-colors: active)"];

export const wantsContrast = () => CONTRAST_QUERIES.some((query) => globalThis.matchMedia?.(query).matches);

/**
 * "#rrggbb", "rgb(...)" or "rgba(...)"; null for anything else.
 * @param {string} text
 * @returns {import("./types").Colour | null}
 */
export function parseColour(text) {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (hex) {
    const [red, green, blue] = hex.slice(1).map((part) => Number.parseInt(part, 16));
    return [red, green, blue, 1];
  }
  const rgb = /^rgba?\(([\d.]+),\s*([\d.]+),\s*([\d.]+)(?:,\s*([\d.]+))?\)$/.exec(text);
  return rgb && [Number(rgb[1]), Number(rgb[2]), Number(rgb[3]), Number(rgb[4] ?? 1)];
}

/** @param {number[]} colour red, green, blue; opacity is ignored */
function luminance([red, green, blue]) {
  const linear = [red, green, blue].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

/**
 * @param {number[]} first
 * @param {number[]} second
 */
function contrast(first, second) {
  const [dark, light] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/**
 * The background behind an element: that of the nearest opaque ancestor; if there is none, black or white, whichever fits the
 * element's text colour.
 * @param {Element} element
 * @returns {number[]}
 */
export function backgroundOf(element) {
  for (let ancestor = /** @type {Element | null} */ (element); ancestor; ancestor = ancestor.parentElement) {
    const colour = parseColour(getComputedStyle(ancestor).backgroundColor);
    if (colour?.[3] === 1) return colour;
  }
  return luminance(parseColour(getComputedStyle(element).color) ?? [0, 0, 0]) > 0.5 ? [0, 0, 0] : [255, 255, 255];
}

/** @param {number[]} background */
export const isDark = (background) => luminance(background) < 0.18;

/**
 * The colour, mixed with just enough black or white to reach the contrast `least` on `background`. Opacity is kept, except
 * that translucent colours become more opaque for users who want more contrast.
 * @param {string} text
 * @param {number[]} background
 * @param {number} least contrast ratio
 */
function readable(text, background, least) {
  const colour = parseColour(text);
  if (!colour || colour[3] === 0) return text;
  if (colour[3] < 1 && wantsContrast()) return `rgba(${colour.slice(0, 3)},${Math.min(1, 2.5 * colour[3])})`;
  const extreme = contrast([0, 0, 0], background) > contrast([255, 255, 255], background) ? 0 : 255;
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = colour.slice(0, 3).map((part) => Math.round(part + share * (extreme - part)));
    if (contrast(mixed, background) >= least) return colour[3] < 1 ? `rgba(${mixed},${colour[3]})` : `rgb(${mixed})`;
  }
  return `rgb(${[extreme, extreme, extreme]})`;
}

/**
 * A figure (or a part of it) with all its colours readable. Colour scales stay unchanged for users who want more contrast:
 * their colours would be changed one by one, which could break their order, and the order carries the meaning.
 * @param {any} value
 * @param {number[]} background
 * @param {number} [least] contrast ratio
 * @returns {any}
 */
export function withContrast(value, background, least = MIN_CONTRAST.graphics) {
  if (typeof value === "string") return readable(value, background, least);
  if (Array.isArray(value))
    return typeof value[0] === "number" ? value : value.map((item) => withContrast(item, background, least));
  if (value === null || typeof value !== "object") return value;
  const adjusted = (/** @type {[string, any]} */ [name, item]) => {
    if (name === "colorscale") {
      return [
        name,
        wantsContrast()
          ? item
          : item.map((/** @type {[number, string]} */ [at, colour]) => [at, readable(colour, background, least)]),
      ];
    }
    return [name, withContrast(item, background, name.endsWith("font") ? MIN_CONTRAST.text : least)];
  };
  return Object.fromEntries(Object.entries(value).map(adjusted));
}
