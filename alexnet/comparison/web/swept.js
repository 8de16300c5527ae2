// The metric over one option, with the runs as points.

// Configurations that differ in nothing but this option, by what they share. Only those with the metric.
function listLines(key, metric) {
  const others = state.group.keys.filter(each => each !== key);
  const lines = new Map();
  for (const configuration of new Set(view.rows.map(row => row.configuration))) {
    const run = DATA.runs[configuration.averaged[0] ?? configuration.runs[0]], value = valueOfKey(run, key);
    if (value === undefined || !hasMetric(configuration, metric)) continue;
    const name = describe(run, others) || TEXT.others_equal;
    if (!lines.has(name)) lines.set(name, []);
    lines.get(name).push({value, configuration});
  }
  return [...lines].map(([name, points]) => ({name, points: points.sort((a, b) => compareWords(a.value, b.value))}));
}

const hasMetric = (object, metric) => Object.hasOwn(object.metrics, metric);

function drawSwept() {
  const key = document.getElementById("over").value, metric = chosenMetric();
  const place = document.querySelector("#swept .chart"), hint = document.querySelector("#swept .hint");
  document.getElementById("over").parentElement.hidden = !key;
  const lines = key ? listLines(key, metric) : [], points = lines.flatMap(line => line.points);
  place.hidden = !points.length;
  hint.textContent = !key ? TEXT.swept_none : whyNone(metric);
  if (place.hidden) return drawLegend("swept", []);
  const panel = {key, metric, scale: findScale(points.map(({value}) => value)), shown: new Set(view.rows.flatMap(row => row.runs))};
  if (panel.scale.kind === "category") panel.scale.words = orderWords(points, metric);
  const places = new Set(points.map(({value}) => value)).size;
  // In a random search hardly two trials agree in this option, or in all others: they are unrelated points.
  panel.scatter = lines.length > 1 && 2 * Math.max(places, lines.length) > points.length ? makeScatter(places) : null;
  panel.connected = panel.scale.kind !== "category" && !panel.scatter;
  colourLines(lines);
  const named = lines.filter(line => line.colour), grey = lines.filter(line => !line.colour);
  panel.step = places > 1 ? Math.min(0.025, 0.8 / places / named.length) : 0;
  const coloured = named.flatMap((line, index) => makeLine(line, panel, panel.step * (index - (named.length - 1) / 2)));
  plotPanel(place, panel, points, [makeGreyLines(grey, panel), ...coloured]);
  drawLegend("swept", lines.length > 1 ? named : []);
  hint.textContent = [TEXT.swept_help, ...(grey.length ? [TEXT.swept_grey] : [])].join(TEXT.gap);
}

// Moves points at the same place by the golden ratio, so that they lie evenly around it.
function makeScatter(places) {
  const before = new Map();
  return value => {
    before.set(value, (before.get(value) ?? 0) + 1);
    return places > 1 ? ((before.get(value) * 0.618034) % 1 - 0.5) * Math.min(0.12, 0.6 / places) : 0;
  };
}

// Words lie in rows, in which there is room for them.
function plotPanel(place, {key, metric, scale}, points, traces) {
  const isRows = scale.kind === "category";
  const option = {title: {text: escapeName(key)}, ...axisOf(scale, key, points.map(({value}) => value))};
  const amount = {title: {text: escapeName(label(metric))}};
  place.style.height = isRows ? `${Math.min(Math.max(384, 24 * scale.words.length + 90), 1400)}px` : "";
  plot(place, traces, isRows ? {xaxis: amount, yaxis: option} : {xaxis: option, yaxis: amount});
}

// Why nothing can be drawn of this metric.
const whyNone = metric => view.rows.flatMap(listRuns).some(run => run.status === "finished") ? fill(TEXT.none_measured, label(metric)) : TEXT.none_finished;

// The best first.
function orderWords(points, metric) {
  const sign = metricOf(metric).higher ? -1 : 1, mean = ({configuration}) => sign * configuration.metrics[metric][1];
  return [...new Set([...points].sort((a, b) => mean(a) - mean(b)).map(({value}) => value))];
}

// A colour for each line. If there are too many, for those with one of the first rows, or a ticked one.
function colourLines(lines) {
  const colours = palette(), most = colours.length;
  const drawn = new Set(chart.drawn.map(row => row.configuration));
  const named = lines.length <= most ? lines : lines.filter(line => line.points.some(({configuration}) => drawn.has(configuration))).slice(0, most);
  named.forEach((line, index) => { line.colour = colours[index]; });
}

const turn = (scale, places, amounts) => scale.kind === "category" ? {x: amounts, y: places} : {x: places, y: amounts};

// A coloured line: its runs, and the means with their intervals. Lines lie beside one another at the same place.
function makeLine({name, points, colour}, {key, metric, scale, shown, connected, scatter, step}, usual) {
  const shifts = new Map(points.map(point => [point.configuration, scatter ? scatter(point.value) : usual]));
  const runs = points.filter(({configuration}) => configuration.metrics[metric][0] > 1)
    .flatMap(({value, configuration}) => configuration.averaged.filter(number => shown.has(number)).map(number => ({value, shift: shifts.get(configuration), run: DATA.runs[number]})))
    .filter(({run}) => hasMetric(run, metric));
  const spread = points.map(({configuration}) => configuration.metrics[metric].map(value => value === null ? null : scaled(value, metric)));
  const tell = (name, value, amount) => `${escapeName(shortName(name))}<br>${escapeName(shortName(`${key}=${formatOption(key, value)}`))}<br>${formatMetric(amount, metric)}`;
  return [{
    ...turn(scale, runs.map(({value, shift}) => placeOf(scale, value, shift + step / 2)), runs.map(({run}) => scaled(run.metrics[metric], metric))),
    mode: "markers", text: runs.map(({run, value}) => tell(run.name, value, run.metrics[metric])), hoverinfo: "text", marker: {color: colour, size: 5, opacity: 0.55},
  }, {
    ...turn(scale, points.map(({value, configuration}) => placeOf(scale, value, shifts.get(configuration))), spread.map(([, mean]) => mean)), name: escapeName(shortName(name)),
    text: points.map(({value, configuration}) => tell(name, value, configuration.metrics[metric][1])), hoverinfo: "text",
    mode: connected ? "lines+markers" : "markers", line: {color: colour, width: 1.5}, marker: {color: colour, size: 8},
    [scale.kind === "category" ? "error_x" : "error_y"]: {
      type: "data", symmetric: false, thickness: 1, width: 4, color: colour,
      array: spread.map(([, mean, , , high]) => high === null ? 0 : high - mean),
      arrayminus: spread.map(([, mean, , low]) => low === null ? 0 : mean - low),
    },
  }];
}

// The means of all other lines.
function makeGreyLines(lines, {metric, scale, connected, scatter}) {
  const points = lines.flatMap(line => [...line.points, null]);
  return {
    ...turn(scale, points.map(point => point && placeOf(scale, point.value, scatter ? scatter(point.value) : 0)),
      points.map(point => point && scaled(point.configuration.metrics[metric][1], metric))),
    mode: connected ? "lines+markers" : "markers", hoverinfo: "skip", opacity: 0.7,
    line: {color: css("grey"), width: 0.7}, marker: {color: css("grey"), size: scatter ? 5 : 3},
  };
}
