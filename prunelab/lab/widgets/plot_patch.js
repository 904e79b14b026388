// Small changes of a picture, made in place: what is there already is moved in the SVG that plotly.js drew (moves.js).
// plotly.js itself takes 10 to 30 ms for a picture, whatever has changed in it; this takes 1. What hovering tells, and the
// places of labels, follow when plotly.js draws the picture again: plots.js sees to that.
//
// `patches(canvas, before, after)` gives the changes as functions to call, or null where plotly.js is needed: a change of
// any kind that is not known here, or one that could move the axes. An axis may have other numbers at the same places; then all
// that stands on it is moved. anew: bars and labels may have been moved by others since `before` was drawn, and are all put
// right.

const SILENT = { data: ["customdata", "hovertext"], layout: ["title", "meta"] }; // what no picture shows by itself

const isList = Array.isArray;

function equal(one, other) {
  if (one === other) return true;
  if (isList(one)) return isList(other) && one.length === other.length && one.every((item, i) => equal(item, other[i]));
  if (!isObject(one) || !isObject(other)) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => equal(one[name], other[name]));
}

// Names of what differs between two objects.
const changes = (one, other) =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => !equal(one[name], other[name]));

const only = (names, allowed) => names.every((name) => allowed.includes(name));
const finite = (list) => isList(list) && list.every(Number.isFinite);

function patches(canvas, before, after, anew) {
  const { data = [], layout = {} } = after ?? {};
  if (!isList(before?.data) || !isList(data) || before.data.length !== data.length || !isObject(layout)) return null;
  const names = changes(before.layout ?? {}, layout).filter((name) => !SILENT.layout.includes(name));
  const axes = names.filter((name) => AXIS.test(name));
  if (!names.every((name) => AXIS.test(name) || PARTS[name])) return null;
  const numbered = new Set(axes.map((name) => name.replace("axis", "")));
  const common = { canvas, after, numbered, anew };
  const all = [
    // First, because all else stands on them.
    ...axes.map((name) => renumbered({ canvas, name, old: before.layout[name], part: layout[name] })),
    ...data.map((trace, index) => patchedTrace({ ...common, before: before.data[index], index, trace })),
    ...Object.keys(PARTS).flatMap((name) => patchedParts({ ...common, before: before.layout?.[name] ?? [], name })),
  ];
  return all.includes(null) ? null : all;
}

const AXIS = /^([xy])axis(\d*)$/;

function patchedTrace({ canvas, before, after, index, trace, numbered, anew }) {
  if (!isObject(trace)) return null;
  const names = changes(before, trace);
  const moved = new Set(names.filter((name) => !SILENT.data.includes(name)));
  if (anew && trace.type === "bar") moved.add(trace.orientation === "h" ? "x" : "y");
  for (const letter of ["x", "y"]) if (numbered.has(trace[`${letter}axis`] ?? letter)) moved.add(letter);
  const show = moved.size ? TRACES[trace.type]?.({ canvas, after, index, trace, moved: [...moved] }) : () => {};
  return show ? () => {
    show();
    for (const name of names) canvas.data[index][name] = structuredClone(trace[name]);
  } : null;
}

function patchedParts({ canvas, before, after: { layout }, name, numbered, anew }) {
  const parts = layout[name] ?? [];
  if (before.length !== parts.length) return [null];
  return parts.map((part, index) => {
    const moved = new Set(changes(before[index], part));
    if (anew && name === "annotations") moved.add("text");
    for (const letter of ["x", "y"]) {
      if (!numbered.has(part[`${letter}ref`] ?? letter)) continue;
      for (const end of name === "shapes" ? ["0", "1"] : [""]) moved.add(`${letter}${end}`);
    }
    return moved.size ? PARTS[name]({ canvas, layout, index, old: before[index], part, moved: [...moved] }) : () => {};
  });
}
