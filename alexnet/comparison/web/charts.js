// The learning curves, and what all charts share: colours, Plotly's look and the legends under the charts.

const MOST_FIRST = 8;  // rows that are drawn if none is ticked
const MOST_COLOURED = 200;  // ticked rows that are drawn
const MOST_GREY = 200;  // other rows behind them
const LIGHT = ["#2563eb", "#d9480f", "#15803d", "#a21caf", "#0e7490", "#b45309", "#be123c", "#4d7c0f", "#5b21b6", "#475569"];
const DARK = ["#6ea8fe", "#ff9d5c", "#5fd38d", "#e58cf5", "#4fd1e5", "#f2c14e", "#ff8296", "#b5e06a", "#b79cff", "#a9b7c9"];
const chart = {colours: new Map(), drawn: []};
const isDark = matchMedia("(prefers-color-scheme: dark)");
const css = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const palette = () => isDark.matches ? DARK : LIGHT;

// 0 is the worst, 1 the best: a scale that is read in print and without colour vision, light and dark enough for each ground.
function scaleColour(part) {
  const stops = isDark.matches ? [[93, 90, 180], [61, 150, 190], [70, 200, 150], [240, 220, 90]]
    : [[250, 190, 60], [225, 100, 70], [150, 40, 125], [35, 20, 110]];
  const place = Math.min(Math.max(part, 0), 1) * (stops.length - 1), low = Math.min(Math.floor(place), stops.length - 2);
  return `rgb(${stops[low].map((value, index) => Math.round(value + (place - low) * (stops[low + 1][index] - value))).join(",")})`;
}

// Which rows have a colour: the ticked ones, or the first ones with a curve. Beyond ten, colour follows the metric.
function chooseColours() {
  const ticked = view.rows.filter(row => state.ticked.has(row.id));
  chart.drawn = ticked.length ? ticked.slice(0, MOST_COLOURED) : view.rows.filter(row => getCurve(row)).slice(0, MOST_FIRST);
  const colours = palette();
  const ranked = [...chart.drawn].sort((a, b) => goodness(a) - goodness(b));
  const places = new Map(ranked.map((row, index) => [row.id, index / Math.max(1, ranked.length - 1)]));
  chart.colours = new Map(chart.drawn.map((row, index) =>
    [row.id, chart.drawn.length > colours.length ? scaleColour(places.get(row.id)) : colours[index]]));
}

function goodness(row) {
  const value = metricValue(row, chosenMetric());
  return value === undefined ? -Infinity : metricOf(chosenMetric()).higher ? value : -value;
}

const chosenMetric = () => document.getElementById("metric").value || state.group.metrics[0];
const QUANTITIES = ["training_loss", "validation_loss", "training_error", "validation_error", "learning_rate"];
const quantity = () => document.getElementById("quantity").value;

// The curve of a row: {x, y, std}; of several runs their mean, at the places of the first. null if it has none.
function getCurve(row) {
  const runs = row.runs.length ? row.runs.map(number => DATA.runs[number]) : [row.run];
  const curves = runs.map(run => run.curves[quantity()]).filter(Boolean).map(dropGaps).filter(([x]) => x.length);
  if (!curves.length) return null;
  const [x] = curves[0];
  if (curves.length === 1) return {x, y: curves[0][1], std: null};
  const all = curves.map(([places, values]) => interpolate(x, places, values));
  const y = x.map((_, index) => all.reduce((sum, values) => sum + values[index], 0) / all.length);
  const std = x.map((_, index) => Math.sqrt(all.reduce((sum, values) => sum + (values[index] - y[index]) ** 2, 0) / (all.length - 1)));
  return {x, y, std};
}

function dropGaps([x, y]) {
  const kept = x.map((_, index) => index).filter(index => y[index] !== null && y[index] !== undefined);
  return kept.length === x.length ? [x, y] : [kept.map(index => x[index]), kept.map(index => y[index])];
}

// The values at `places`, linearly between the points; before the first and after the last as there.
function interpolate(places, x, y) {
  let right = 0;
  return places.map(place => {
    while (right < x.length && x[right] < place) right++;
    if (right === 0) return y[0];
    if (right === x.length) return y[right - 1];
    return y[right - 1] + (place - x[right - 1]) / (x[right] - x[right - 1]) * (y[right] - y[right - 1]);
  });
}

// Plotly reads names as HTML.
const escapeName = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const shortName = (text, start = 50, end = 28) => text.length > start + end + 2 ? `${text.slice(0, start)}…${text.slice(-end)}` : text;

function plot(place, traces, layout) {
  const axis = {gridcolor: css("grid"), linecolor: css("line"), zeroline: false, automargin: true, ticks: "outside", tickcolor: css("line")};
  const look = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    modebar: {bgcolor: "rgba(0,0,0,0)", color: css("grey"), activecolor: css("accent")},
    margin: {l: 10, r: 14, t: 28, b: 10}, font: {family: "system-ui, 'Noto Sans SC', sans-serif", size: 12, color: css("text")},
    hoverlabel: {namelength: -1, bgcolor: css("panel"), bordercolor: css("line"), font: {color: css("text")}}, ...layout,
  };
  for (const name of ["xaxis", "yaxis", "yaxis2"]) if (name in look || name !== "yaxis2") look[name] = {...axis, ...layout[name], title: {standoff: 10, ...layout[name]?.title}};
  const language = document.documentElement.lang;
  Plotly.react(place, traces, look, {
    locale: language, locales: {[language]: {dictionary: DATA.plotly, format: {}}}, responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  });
}

// The legend stands under its chart, so it takes no room from the curves.
function drawLegend(section, entries) {
  document.querySelector(`#${section} .legend`).replaceChildren(...entries.map(({name, colour, href}) =>
    make(href ? "a" : "span", href ? {href, title: name} : {title: name},
      make("span", {className: "chip", style: `background: ${colour}`}), shortName(name))));
}

function drawCurves() {
  const place = document.querySelector("#curves .chart"), hint = document.querySelector("#curves .hint");
  const drawn = chart.drawn.map(row => [row, getCurve(row)]).filter(([, curve]) => curve);
  const others = view.rows.filter(row => !chart.colours.has(row.id));
  const step = Math.max(1, others.length / MOST_GREY);
  const grey = others.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step))
    .map(getCurve).filter(Boolean);
  place.hidden = !drawn.length && !grey.length;
  const traces = [makeGrey(grey), ...drawn.flatMap(([row, curve]) => makeCurve(row, curve))];
  if (!place.hidden) plot(place, traces, {
    xaxis: {title: {text: TEXT.epoch}, ...wholeTicks([...grey, ...drawn.map(([, curve]) => curve)])},
    yaxis: {title: {text: TEXT[quantity()]}, type: document.getElementById("log").checked ? "log" : "linear"},
    shapes: quantity() === "training_error" ? drawLevel(state.group.level) : [],
  });
  drawLegend("curves", drawn.map(([row]) => ({name: nameOf(row), colour: chart.colours.get(row.id), href: `#${row.id}`})));
  hint.textContent = [
    drawn.length ? fill(state.ticked.size ? TEXT.curves_ticked : TEXT.curves_first, drawn.length) : TEXT.curves_none,
    ...(grey.length ? [fill(TEXT.curves_grey, grey.length, others.length)] : []),
    ...(drawn.some(([, curve]) => curve.std) ? [TEXT.curves_band] : []),
    ...(DATA.shortened ? [fill(TEXT.curves_points, DATA.most_points)] : []),
  ].join(" ");
}

// A line at the error to reach, of a metric epochs_to_N.
function drawLevel(level) {
  const line = {color: css("text"), dash: "dash", width: 1};
  return level === null ? [] : [{type: "line", xref: "paper", x0: 0, x1: 1, y0: level, y1: level, line}];
}

// Whole epochs only, if there are few of them.
function wholeTicks(curves) {
  const last = curves.reduce((most, {x}) => Math.max(most, x[x.length - 1]), 0);
  return last <= 12 ? {dtick: 1} : {};
}

// All grey curves are one line with gaps, which is quicker than many lines.
function makeGrey(curves) {
  const x = [], y = [];
  for (const curve of curves) {
    x.push(...curve.x, null);
    y.push(...curve.y, null);
  }
  return {x, y, mode: "lines", hoverinfo: "skip", line: {color: css("grey"), width: 1}, opacity: 0.7};
}

function makeCurve(row, {x, y, std}) {
  const colour = chart.colours.get(row.id);
  const few = x.length < 20 && chart.drawn.length <= palette().length;
  const line = {
    x, y, name: escapeName(shortName(nameOf(row))), mode: few ? "lines+markers" : "lines",
    line: {color: colour, width: chart.drawn.length > 30 ? 1 : 2}, marker: {size: 5},
  };
  if (!std) return [line];
  const above = y.map((value, index) => value + std[index]);
  const below = y.map((value, index) => Math.max(value - std[index], Math.min(value, 0)));  // no loss is below zero
  const band = {
    x: [...x, ...[...x].reverse()], y: [...above, ...below.reverse()],
    mode: "none", fill: "toself", fillcolor: colour, opacity: 0.2, hoverinfo: "skip",
  };
  return [band, line];
}
