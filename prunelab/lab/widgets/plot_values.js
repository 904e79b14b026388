// Compares values of figures.

export const isList = Array.isArray;

/** @param {unknown} value */
export const isObject = (value) => value !== null && typeof value === "object" && !isList(value);

/**
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function equal(one, other) {
  if (one === other) return true;
  if (isList(one)) return isList(other) && one.length === other.length && one.every((item, i) => equal(item, other[i]));
  if (!isObject(one) || !isObject(other)) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => equal(one[name], other[name]));
}

/**
 * Names of the properties in which two objects differ.
 * @param {Record<string, unknown>} one
 * @param {Record<string, unknown>} other
 */
export const changes = (one, other) =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => !equal(one[name], other[name]));

/**
 * @param {string[]} names
 * @param {string[]} allowed
 */
export const only = (names, allowed) => names.every((name) => allowed.includes(name));

/** @param {any} list */
export const finite = (list) => isList(list) && list.every(Number.isFinite);
