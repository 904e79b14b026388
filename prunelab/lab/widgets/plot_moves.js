// How each part of a picture is moved in the SVG that plotly.js drew: from what has changed to a function that shows it, or
// null where plotly.js has to. Such a function may be called after axes have got other numbers.

// plotly.js's own object of an axis that stays where it is, whatever is shown; null for others.
function fixedAxis(canvas, layout, reference) {
  const [, letter, number] = /^([xy])(\d*)$/.exec(reference) ?? [];
  const name = `${letter}axis${number}`;
  const axis = canvas._fullLayout[name];
  return letter && axis?.type === "linear" && isList(layout[name]?.range) ? axis : null;
}

// ---- axes

// Other numbers at the same places: only the labels are written anew. Axes without `ticktext` are plotly.js's to number.
function renumbered({ canvas, name, old, part }) {
  const axis = canvas._fullLayout[name];
  const told = ["range", "tickvals", "ticktext"];
  const isTold = (each) => finite(each?.range) && finite(each.tickvals) && isList(each.ticktext);
  if (axis?.type !== "linear" || !isTold(old) || !isTold(part) || !only(changes(old, part), told)) return null;
  const places = ({ range: [from, to], tickvals }) => [0, ...tickvals].map((at) => (at - from) / (to - from));
  const [before, after] = [old, part].map(places);
  const labels = canvas.querySelectorAll(`.${axis._id}tick > text`);
  if (before.length !== after.length || !after.every((place, i) => Math.abs(place - before[i]) < 1e-6)) return null;
  if (labels.length !== part.ticktext.length) return null;
  return () => {
    labels.forEach((label, i) => { label.textContent = part.ticktext[i]; });
    for (const key of told) canvas.layout[name][key] = [...part[key]];
    axis.range = [...part.range];
    axis.setScale();
  };
}

// ---- traces

const TRACES = { bar: movedBars, scatter: movedPoints, heatmap: newCells };

// What plotly.js drew for a trace; d3 keeps its own data on the elements.
const drawnTrace = (canvas, kind, index) =>
  [...canvas.querySelectorAll(kind)].find((group) => group.__data__?.[0]?.trace?.index === index);

function movedBars({ canvas, after, index, trace, moved }) {
  const flat = trace.orientation === "h";
  const [place, value] = flat ? ["y", "x"] : ["x", "y"];
  const axis = fixedAxis(canvas, after.layout, trace[`${value}axis`] ?? value);
  const mode = after.layout.barmode;
  if (!axis || !["stack", "group"].includes(mode) || !finite(trace[value])) return null;
  const below = after.data.slice(0, index).filter((other) => mode === "stack" && other.type === "bar" &&
    ["xaxis", "yaxis", "orientation"].every((name) => other[name] === trace[name]));
  const stack = [...below, trace];
  if (!stack.every((other) => equal(other[place], trace[place]) && other[value].every((size) => size >= 0))) return null;
  const group = drawnTrace(canvas, ".barlayer > .trace", index);
  const bars = [...(group?.querySelectorAll(".point > path") ?? [])];
  const edges = edgesOf({ canvas, after, trace, place, bars, stays: only(moved, [value]) });
  if (bars.length !== trace[value].length || !only(moved, [value, place, "width"]) || !edges) return null;
  return () => bars.forEach((bar, i) => {
    const base = below.reduce((sum, other) => sum + other[value][i], 0);
    const [from, to] = [base, base + trace[value][i]].map((at) => axis.c2p(at));
    const [first, second] = edges(i);
    if (from === to) bar.setAttribute("d", "M0,0Z");
    else if (flat) bar.setAttribute("d", `M${from},${first}V${second}H${to}V${first}Z`);
    else bar.setAttribute("d", `M${first},${from}V${to}H${second}V${from}Z`);
  });
}

// Where bars stand on the axis that their size is not on, as a function of their number; null if that can't be told.
function edgesOf({ canvas, after, trace, place, bars, stays }) {
  if (stays && !Number.isFinite(trace.width)) {
    const axis = canvas._fullLayout[`${place}axis${(trace[`${place}axis`] ?? place).slice(1)}`];
    return (i) => {
      const { p0, p1 } = bars[i].parentNode.__data__;
      return [p0, p1].map((at) => axis.c2p(at));
    };
  }
  const axis = fixedAxis(canvas, after.layout, trace[`${place}axis`] ?? place);
  if (!axis || !finite(trace[place]) || !Number.isFinite(trace.width)) return null;
  // On whole pixels, as plotly.js does it: no light shows between neighbours.
  return (i) => [-1, 1].map((side) => Math.round(axis.c2p(trace[place][i] + (side * trace.width) / 2)));
}

function movedPoints({ canvas, after, index, trace, moved }) {
  const [x, y] = ["x", "y"].map((letter) => fixedAxis(canvas, after.layout, trace[`${letter}axis`] ?? letter));
  const group = drawnTrace(canvas, ".scatterlayer > .trace", index);
  const shown = { markers: movedMarkers, lines: longerCurve }[trace.mode];
  if (!x || !y || !group || !shown || !only(moved, ["x", "y"]) || trace.x.length !== trace.y.length) return null;
  const at = (i) => `${x.c2p(trace.x[i])},${y.c2p(trace.y[i])}`;
  return shown(group, trace, at);
}

function movedMarkers(group, trace, at) {
  const points = [...group.querySelectorAll(".points > path.point")];
  if (points.length !== trace.x.length || !finite(trace.x) || !finite(trace.y)) return null;
  return () => points.forEach((point, i) => point.setAttribute("transform", `translate(${at(i)})`));
}

function longerCurve(group, trace, at) {
  const paths = group.querySelectorAll(".lines > path");
  if (paths.length !== 1 || !finite(trace.x) || trace.fill || trace.line?.shape) return null;
  return () => {
    const there = (i) => Number.isFinite(trace.y[i]); // else a gap
    const steps = trace.x.map((_, i) => (there(i) ? `${there(i - 1) ? "L" : "M"}${at(i)}` : ""));
    paths[0].setAttribute("d", steps.join("") || "M0,0");
  };
}

function newCells({ canvas, index, trace, moved }) {
  const group = drawnTrace(canvas, ".heatmaplayer > .hm", index);
  const image = group?.querySelector("image");
  const drawn = group?.__data__[0];
  const span = trace.zmax - trace.zmin;
  const rows = trace.z;
  if (!image || !only(moved, ["z"]) || trace.showscale !== false || trace.zsmooth || trace.x || trace.y || !(span > 0) ||
    !rows.every(finite) || drawn.z.length !== rows.length || drawn.z[0].length !== rows[0].length) return null;
  const scale = canvas._fullData[index].colorscale.map(([at, colour]) => [at, parsed(colour)]);
  if (scale.some(([, colour]) => !colour)) return null;
  const { xaxis: x, yaxis: y } = canvas._fullData[index];
  const [across, down] = [[x, drawn.x], [y, drawn.y]].map(([reference, bounds]) => {
    const axis = canvas._fullLayout[`${reference[0]}axis${reference.slice(1)}`];
    return bounds.map((at) => axis.c2p(at));
  });
  return () => {
    const [left, top] = ["x", "y"].map((name) => Number(image.getAttribute(name)));
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = ["width", "height"].map((name) => Math.round(Number(image.getAttribute(name))));
    const pen = sheet.getContext("2d");
    rows.forEach((row, i) => row.forEach((z, j) => {
      pen.fillStyle = between(scale, Math.min(Math.max((z - trace.zmin) / span, 0), 1));
      const [x0, x1] = [across[j], across[j + 1]].map((at) => at - left).sort((a, b) => a - b);
      const [y0, y1] = [down[i], down[i + 1]].map((at) => at - top).sort((a, b) => a - b);
      const [wide, high] = [trace.xgap ?? 0, trace.ygap ?? 0];
      pen.fillRect(x0 + wide / 2, y0 + high / 2, x1 - x0 - wide, y1 - y0 - high);
    }));
    link(image, sheet.toDataURL());
  };
}

// A colour of a scale, [share, [red, green, blue, opacity]] in order, as CSS writes it.
function between(scale, share) {
  const above = Math.max(scale.findIndex(([at]) => at >= share), 1);
  const [[from, one], [to, other]] = [scale[above - 1], scale[above]];
  const mixed = one.map((part, i) => part + (other[i] - part) * ((share - from) / (to - from)));
  return `rgba(${mixed.slice(0, 3).map(Math.round)},${mixed[3]})`;
}

// As plotly.js does it: the newer href without xlink would win over all that it sets later.
const link = (image, source) => image.setAttributeNS("http://www.w3.org/1999/xlink", "xlink:href", source);

// ---- parts of the layout

const PARTS = { annotations: movedLabel, images: newImage, shapes: movedShape };

function movedLabel({ canvas, layout, index, old, part, moved }) {
  if (!only(moved, ["text", "x", "y"])) return null;
  const label = canvas.querySelector(`.annotation[data-index="${index}"]`);
  const write = moved.includes("text") ? rewritten(label, old, part) : () => {};
  const shifts = ["x", "y"].map((letter) => {
    if (!moved.includes(letter)) return () => 0;
    const axis = fixedAxis(canvas, layout, part[`${letter}ref`]);
    if (!axis || !finite([old[letter], part[letter]])) return null;
    const from = axis.c2p(old[letter]); // with the numbers that the axis has now
    return () => axis.c2p(part[letter]) - from;
  });
  if (!label || !write || shifts.includes(null)) return null;
  return () => {
    write();
    const [x, y] = [...(/^translate\((.+),(.+)\)$/.exec(label.getAttribute("transform")) ?? [0, 0, 0])].slice(1).map(Number);
    label.setAttribute("transform", `translate(${x + shifts[0]()},${y + shifts[1]()})`);
    Object.assign(canvas.layout.annotations[index], part);
  };
}

// A text of the same make-up (bold words, line breaks) put word for word where the old one stands; null if it is made up in
// another way, or grows to a side on which it is held.
function rewritten(label, old, part) {
  const [tags, words] = [/<[^>]*>/g, (text) => text.split(/<[^>]*>/).filter(Boolean)];
  const held = part.xanchor ?? "center";
  if ((part.align ?? "center") !== held || `${old.text.match(tags)}` !== `${part.text.match(tags)}`) return null;
  const nodes = textNodes(label?.querySelector("text"));
  const news = words(part.text);
  if (nodes.length !== news.length || words(old.text).length !== news.length) return null;
  return () => nodes.forEach((node, i) => {
    const text = news[i].includes("&") ? plain(news[i]) : news[i];
    if (node.nodeValue !== text) node.nodeValue = text;
  });
}

function textNodes(element) {
  if (!element) return [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) if (walker.currentNode.nodeValue) found.push(walker.currentNode);
  return found;
}

function newImage({ canvas, index, part, moved }) {
  const images = canvas.querySelectorAll(".imagelayer image");
  if (!only(moved, ["source"]) || images.length !== canvas._fullLayout.images.length || !part.source.startsWith("data:")) return null;
  return () => {
    const image = images[index];
    link(image, part.source);
    image._imgSrc = part.source; // what plotly.js takes for drawn
    canvas.layout.images[index].source = part.source;
  };
}

const ENDS = ["x0", "y0", "x1", "y1"];

// How plotly.js writes lines and rectangles: places in the path, in this order.
const SHAPES = {
  line: [/^M([^,]+),([^L]+)L([^,]+),(.+)$/, ([x0, y0, x1, y1]) => `M${x0},${y0}L${x1},${y1}`],
  rect: [/^M([^,]+),([^H]+)H([^V]+)V([^H]+)H/, ([x0, y0, x1, y1]) => `M${x0},${y0}H${x1}V${y1}H${x0}Z`],
};

function movedShape({ canvas, layout, index, part, moved }) {
  const path = canvas.querySelector(`.shapelayer path[data-index="${index}"]`);
  const [written, write] = SHAPES[part.type] ?? [];
  const ends = written?.exec(path?.getAttribute("d") ?? "")?.slice(1);
  const axisOf = (name) => fixedAxis(canvas, layout, part[`${name[0]}ref`] ?? name[0]);
  if (!ends || !only(moved, ENDS) || !moved.every((name) => axisOf(name) && finite([part[name]]))) return null;
  return () => {
    for (const name of moved) ends[ENDS.indexOf(name)] = axisOf(name)._offset + axisOf(name).c2p(part[name]);
    path.setAttribute("d", write(ends));
    Object.assign(canvas.layout.shapes[index], part);
  };
}
