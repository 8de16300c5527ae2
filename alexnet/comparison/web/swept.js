// The metric over one option, with the runs as points.

// How an option's values lie on an axis: as words, as numbers, or as logarithms if they span more than a factor of 8.
function findScale(values) {
  const given = values.filter(value => value !== undefined);
  if (!given.length || given.some(value => typeof value !== "number"))
    return {kind: "category", words: [...new Set(given)].sort(compareWords)};
  const low = Math.min(...given), high = Math.max(...given);
  return {kind: low > 0 && high / low >= 8 ? "log" : "linear", low, high};
}

function compareWords(a, b) {
  const numbers = typeof a === "number" && typeof b === "number";
  return numbers ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
}

// Configurations that differ in nothing but this option, by what they share.
function listLines(key) {
  const others = state.group.keys.filter(each => each !== key);
  const ids = new Set(view.rows.map(row => row.configuration));
  const lines = new Map();
  for (const configuration of ids) {
    const run = DATA.runs[configuration.averaged[0] ?? configuration.runs[0]], value = valueOfKey(run, key);
    if (value === undefined) continue;
    const name = describe(run, others) || TEXT.others_equal;
    if (!lines.has(name)) lines.set(name, []);
    lines.get(name).push({value, configuration});
  }
  return [...lines].map(([name, points]) => ({name, points: points.sort((a, b) => compareWords(a.value, b.value))}));
}

function drawSwept() {
  const key = document.getElementById("over").value, metric = chosenMetric();
  const place = document.querySelector("#swept .chart"), hint = document.querySelector("#swept .hint");
  place.hidden = document.getElementById("over").parentElement.hidden = !key;
  hint.textContent = key ? TEXT.swept_help : TEXT.swept_none;
  if (!key) return drawLegend("swept", []);
  const lines = listLines(key).filter(line => line.points.some(({configuration}) => hasMetric(configuration, metric)));
  const values = lines.flatMap(line => line.points.map(point => point.value)), scale = findScale(values);
  colourLines(lines);
  const shown = new Set(view.rows.flatMap(row => row.runs));
  const [named, grey] = [lines.filter(line => line.colour), lines.filter(line => !line.colour)];
  plot(place, [makeGreyLines(grey, metric, scale), ...named.flatMap(line => makeLine(line, metric, scale, shown))], {
    xaxis: {title: {text: escapeName(key)}, ...axisOf(scale, values)},
    yaxis: {title: {text: escapeName(label(metric))}},
  });
  drawLegend("swept", lines.length > 1 ? named : []);
  hint.textContent = [TEXT.swept_help, ...(grey.length ? [TEXT.swept_grey] : [])].join(TEXT.gap);
}

// A colour for each line. If there are too many, for those with one of the first rows, or a ticked one.
function colourLines(lines) {
  const colours = palette(), most = colours.length;
  const drawn = new Set(chart.drawn.map(row => row.configuration));
  const named = lines.length <= most ? lines : lines.filter(line => line.points.some(({configuration}) => drawn.has(configuration))).slice(0, most);
  named.forEach((line, index) => { line.colour = colours[index]; });
}

// A few numbers are their own ticks.
function axisOf(scale, values) {
  if (scale.kind === "category") return {type: "category", categoryorder: "array", categoryarray: scale.words.map(String), range: [-0.5, scale.words.length - 0.5]};
  const ticks = [...new Set(values)].sort((a, b) => a - b);
  const apart = ticks.every((value, index) => !index || part(scale, value) - part(scale, ticks[index - 1]) > 0.06);
  return {type: scale.kind, ...(apart && ticks.length <= 10 ? {tickmode: "array", tickvals: ticks, ticktext: ticks.map(formatNumber)} : {})};
}

// Where a value lies on a scale, 0 to 1.
function part(scale, value) {
  if (scale.kind === "category") return scale.words.length > 1 ? scale.words.indexOf(value) / (scale.words.length - 1) : 0.5;
  const change = scale.kind === "log" ? Math.log : number => number;
  return scale.high > scale.low ? (change(value) - change(scale.low)) / (change(scale.high) - change(scale.low)) : 0.5;
}

const placeOf = (scale, value) => scale.kind === "category" ? String(value) : value;
const hasMetric = (object, metric) => Object.hasOwn(object.metrics, metric);

// A coloured line: its runs, and the means with their intervals.
function makeLine({name, points, colour}, metric, scale, shown) {
  const runs = points.flatMap(({value, configuration}) => configuration.averaged.filter(number => shown.has(number))
    .map(number => ({value, run: DATA.runs[number]}))).filter(({run}) => hasMetric(run, metric));
  const means = points.filter(({configuration}) => hasMetric(configuration, metric));
  const spread = means.map(({configuration}) => configuration.metrics[metric].map(value => value === null ? null : scaled(value, metric)));
  return [{
    x: runs.map(({value}) => placeOf(scale, value)), y: runs.map(({run}) => scaled(run.metrics[metric], metric)), mode: "markers",
    text: runs.map(({run}) => escapeName(run.name)), hoverinfo: "x+y+text", marker: {color: colour, size: 5, opacity: 0.55},
  }, {
    x: means.map(({value}) => placeOf(scale, value)), y: spread.map(([, mean]) => mean), name: escapeName(shortName(name)),
    mode: scale.kind === "category" ? "markers" : "lines+markers", line: {color: colour, width: 1.5}, marker: {color: colour, size: 8},
    error_y: {
      type: "data", symmetric: false, thickness: 1, width: 4, color: colour,
      array: spread.map(([, mean, , , high]) => high === null ? 0 : high - mean),
      arrayminus: spread.map(([, mean, , low]) => low === null ? 0 : mean - low),
    },
  }];
}

// The means of all other lines.
function makeGreyLines(lines, metric, scale) {
  const points = lines.flatMap(line => [...line.points.filter(({configuration}) => hasMetric(configuration, metric)), null]);
  return {
    x: points.map(point => point && placeOf(scale, point.value)),
    y: points.map(point => point && scaled(point.configuration.metrics[metric][1], metric)),
    mode: scale.kind === "category" ? "markers" : "lines+markers", hoverinfo: "skip", opacity: 0.7,
    line: {color: css("grey"), width: 0.7}, marker: {color: css("grey"), size: 3},
  };
}
