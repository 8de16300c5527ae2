// Parallel coordinates: a line for each row through its options, up to the metric. Drawn as SVG, because Plotly's needs
// WebGL and code made from text, which this page's policy forbids.

const HEIGHT = 320, TOP = 44, BOTTOM = 24, GAP = 150;
const svg = (tag, properties, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const heightOf = share => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);

// The shown options, then the metric.
function listAxes(rows) {
  const keys = view.columns.filter(column => column.kind === "key").slice(0, 12);
  const axes = [...keys, {id: "metric", kind: "metric", name: chosenMetric()}];
  return axes.map(column => {
    const values = rows.map(row => valueOf(row, column)), scale = findScale(values);
    const distinct = [...new Set(values)].filter(value => value !== undefined).sort(compareWords);
    const counts = new Map();
    values.forEach(value => counts.set(value, (counts.get(value) ?? 0) + 1));
    return {column, scale, distinct, counts, fan: column.kind === "key" ? Math.min(24, 120 / distinct.length) : 0, title: headOf(column)};
  });
}

function drawParallel() {
  const place = document.querySelector("#parallel .chart"), hint = document.querySelector("#parallel .hint");
  const all = listRows(), axes = listAxes(all);
  hint.textContent = axes.length > 1 ? TEXT.parallel_help : TEXT.parallel_none;
  if (axes.length > 1 && !axes.at(-1).distinct.length) hint.textContent = whyNone(chosenMetric());
  if (axes.length < 2 || !axes.at(-1).distinct.length) return place.replaceChildren();
  const wide = Math.max(Math.min(place.clientWidth, axes.length * 2 * GAP), axes.length * GAP), step = (wide - 160) / (axes.length - 1);
  axes.forEach((axis, index) => { axis.x = 70 + index * step; });
  const within = new Set(view.rows.map(row => row.id));
  const values = view.rows.map(row => metricValue(row, chosenMetric())).filter(value => value !== undefined);
  const range = {kind: "linear", low: Math.min(...values), high: Math.max(...values)};
  const lines = [...all.filter(row => !within.has(row.id)), ...sortForDrawing(view.rows)]
    .map(row => makePath(row, axes, range, within.has(row.id)));
  place.replaceChildren(svg("svg", {viewBox: `0 0 ${wide} ${HEIGHT}`, width: wide, height: HEIGHT, role: "img", "aria-label": TEXT.parallel},
    svg("g", {class: "lines"}, ...lines), ...axes.map(axis => makeAxis(axis, step))));
}

// The best and the ticked rows lie on top.
const sortForDrawing = rows => [...rows].sort((a, b) => state.ticked.has(a.id) - state.ticked.has(b.id) || goodness(a) - goodness(b));

function makePath(row, axes, range, within) {
  const value = metricValue(row, chosenMetric());
  const share = value === undefined ? 0 : metricOf(chosenMetric()).higher ? part(range, value) : 1 - part(range, value);
  // Lines through the same value fan out a little, the best on top, so that they don't cover one another.
  const above = value === undefined ? 0 : Math.min(Math.max(share, 0), 1) - 0.5;
  const points = axes.map(({column, scale, fan, counts, x}) => {
    const here = valueOf(row, column), room = counts.get(here) > 1 ? fan / 2 : 0;
    if (here === undefined) return null;
    const middle = Math.min(Math.max(heightOf(part(scale, here)), heightOf(1) + room), heightOf(0) - room);
    return [x, middle - 2 * room * above];
  }).filter(Boolean);
  const path = svg("path", {d: `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}`});
  if (!within) path.setAttribute("class", "out");
  else {
    path.setAttribute("stroke", value === undefined ? css("grey") : scaleColour(share));
    path.setAttribute("stroke-opacity", view.rows.length > 200 ? 0.45 : 0.9);
    path.append(svg("title", {}, nameOf(row)));
    path.addEventListener("click", () => { location.hash = row.id; });
  }
  if (state.ticked.has(row.id)) path.setAttribute("class", "chosen");
  return path;
}

function makeAxis(axis, step) {
  const {column, scale, x, title} = axis;
  const most = Math.max(6, Math.floor(Math.min(step, 200) / 7));
  const cut = text => text.length > most ? `…${text.slice(1 - most)}` : text;
  const heading = svg("text", {x, y: 16, "text-anchor": "middle"}, cut(title), svg("title", {}, title));
  const line = svg("line", {class: "axis", x1: x, x2: x, y1: heightOf(0), y2: heightOf(1)});
  const ticks = listTicks(axis).map(value => svg("text", {class: "tick", x: x + 6, y: heightOf(part(scale, value)) + 4},
    cut(column.kind === "metric" ? formatMetric(value, column.name) : axis.distinct.includes(value) ? formatOption(column.name, value) : formatNumber(value))));
  const grip = svg("rect", {class: "grip", x: x - 14, width: 28, y: TOP - 8, height: HEIGHT - TOP - BOTTOM + 16});
  grip.addEventListener("pointerdown", event => startBrush(event, axis, grip));
  return svg("g", {}, line, ...ticks, heading, grip);
}

// The values themselves, if they are words or few numbers; those that have no room are left out.
function listTicks({scale, distinct}) {
  if (scale.kind === "category" || distinct.length <= 16) return keepApart(scale, distinct);
  return [0, 0.25, 0.5, 0.75, 1].map(share => valueAt(scale, share));
}

// Dragging along an axis puts its range into the filter; a click without dragging takes it out.
function startBrush(event, axis, grip) {
  const box = grip.ownerSVGElement, brush = svg("rect", {class: "brush", x: axis.x - 8, width: 16, y: 0, height: 0});
  const place = move => (move.clientY - box.getBoundingClientRect().top) * HEIGHT / box.getBoundingClientRect().height;
  const start = place(event);
  let end = start;
  box.append(brush);
  grip.setPointerCapture(event.pointerId);
  grip.onpointermove = move => {
    end = place(move);
    brush.setAttribute("y", Math.min(start, end));
    brush.setAttribute("height", Math.abs(end - start));
  };
  grip.onpointerup = () => {
    grip.onpointermove = grip.onpointerup = null;
    setRange(axis, Math.abs(end - start) < 4 ? null : [Math.max(start, end), Math.min(start, end)].map(shareOf));
  };
}

const shareOf = y => (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM);

function setRange({column, scale}, shares) {
  const box = document.getElementById("filter"), name = column.name;
  const words = (box.value.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).filter(word => !["=", ">", "<", "!"].some(sign => word.startsWith(name + sign)));
  if (shares) words.push(...listConditions(name, column, scale, shares));
  box.value = words.join(" ");
  box.dispatchEvent(new Event("input"));
}

function listConditions(name, column, scale, [low, high]) {
  if (scale.kind === "category") {
    const outside = scale.words.filter(word => part(scale, word) < low - 0.02 || part(scale, word) > high + 0.02);
    return outside.length < scale.words.length ? outside.map(word => quoteWord(`${name}!=${word}`)) : [];
  }
  const show = share => Number(scaled(valueAt(scale, share), column.kind === "metric" ? column.name : "").toPrecision(3));
  return [...(low > 0 ? [`${name}>=${show(low)}`] : []), ...(high < 1 ? [`${name}<=${show(high)}`] : [])];
}

const quoteWord = text => /\s/.test(text) ? `"${text}"` : text;
