// Colours on a dark page, which the palette's darkest are too near to, and for readers who asked their system for more
// contrast (prefers-contrast) or for its own few colours (forced-colors, in which browsers leave the fills of a picture as
// they are). Every figure is treated alike.

// WCAG 2.2, 1.4.3 and 1.4.11. Not more for graphics than they need: orange as dark as blue could not be told from it.
const LEAST_CONTRAST = { text: 4.5, graphics: 3 };
export const CONTRAST_QUERIES = ["(prefers-contrast: more)", "(forced-colors: active)"];

export const wantsContrast = () => CONTRAST_QUERIES.some((query) => globalThis.matchMedia?.(query).matches);

/**
 * "#rrggbb", "rgb(...)" or "rgba(...)"; null for anything else.
 * @param {string} text
 * @returns {import("./types").Colour | null}
 */
export function parsed(text) {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (hex) {
    const [red, green, blue] = hex.slice(1).map((part) => Number.parseInt(part, 16));
    return [red, green, blue, 1];
  }
  const rgb = /^rgba?\(([\d.]+),\s*([\d.]+),\s*([\d.]+)(?:,\s*([\d.]+))?\)$/.exec(text);
  return rgb && [Number(rgb[1]), Number(rgb[2]), Number(rgb[3]), Number(rgb[4] ?? 1)];
}

/** @param {number[]} colour red, green, blue; an opacity does not count */
function luminance([red, green, blue]) {
  const linear = [red, green, blue].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

/**
 * @param {number[]} one
 * @param {number[]} other
 */
function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/**
 * What stands behind an element: the first opaque background, else what its text must have been chosen for.
 * @param {Element} element
 * @returns {number[]}
 */
export function groundOf(element) {
  for (let at = /** @type {Element | null} */ (element); at; at = at.parentElement) {
    const colour = parsed(getComputedStyle(at).backgroundColor);
    if (colour?.[3] === 1) return colour;
  }
  return luminance(parsed(getComputedStyle(element).color) ?? [0, 0, 0]) > 0.5 ? [0, 0, 0] : [255, 255, 255];
}

/** @param {number[]} ground */
export const isDark = (ground) => luminance(ground) < 0.18;

/**
 * The colour, or the nearest to it on the way to black or white that can be read on `ground`; what is faint stays as faint,
 * or gets stronger for those who asked for contrast.
 * @param {string} text
 * @param {number[]} ground
 * @param {number} least contrast
 */
function readable(text, ground, least) {
  const colour = parsed(text);
  if (!colour || colour[3] === 0) return text;
  if (colour[3] < 1 && wantsContrast()) return `rgba(${colour.slice(0, 3)},${Math.min(1, 2.5 * colour[3])})`;
  const far = contrast([0, 0, 0], ground) > contrast([255, 255, 255], ground) ? 0 : 255;
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = colour.slice(0, 3).map((part) => Math.round(part + share * (far - part)));
    if (contrast(mixed, ground) >= least) return colour[3] < 1 ? `rgba(${mixed},${colour[3]})` : `rgb(${mixed})`;
  }
  return `rgb(${[far, far, far]})`;
}

/**
 * A figure (or a part of it) with all its colours readable. For those who asked for contrast colour scales stay: each of
 * their colours would be made stronger by itself, and their order is what they say.
 * @param {any} value
 * @param {number[]} ground
 * @param {number} [least] contrast
 * @returns {any}
 */
export function withContrast(value, ground, least = LEAST_CONTRAST.graphics) {
  if (typeof value === "string") return readable(value, ground, least);
  if (Array.isArray(value))
    return typeof value[0] === "number" ? value : value.map((item) => withContrast(item, ground, least));
  if (value === null || typeof value !== "object") return value;
  const treated = (/** @type {[string, any]} */ [name, item]) => {
    if (name === "colorscale") {
      return [
        name,
        wantsContrast()
          ? item
          : item.map((/** @type {[number, string]} */ [at, colour]) => [at, readable(colour, ground, least)]),
      ];
    }
    return [name, withContrast(item, ground, name.endsWith("font") ? LEAST_CONTRAST.text : least)];
  };
  return Object.fromEntries(Object.entries(value).map(treated));
}
