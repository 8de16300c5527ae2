"use strict";
// What is shown, as data: rows, columns, cells, the filter and the order. Nothing here touches the page.

const DATA = JSON.parse(document.getElementById("data").textContent);
const TEXT = DATA.text;
const state = {
  group: DATA.groups[0], averaged: false, filter: "", sort: null, shown: new Set(), ticked: new Set(), open: null,
};

// fill("{} of {}", 1, 4), or fill("{1}, {0}", 1, 4) in a language with another order.
function fill(text, ...values) {
  let next = 0;
  return text.replace(/\{(\d*)\}/g, (_, number) => values[number === "" ? next++ : number]);
}

const label = metric => (Object.hasOwn(DATA.labels, metric) ? DATA.labels[metric] : metric) + (isShare(metric) ? " %" : "");
const metricOf = name => Object.hasOwn(DATA.metrics, name) ? DATA.metrics[name] : {share: false, higher: true};
const isShare = metric => metricOf(metric).share;
const scaled = (value, metric) => isShare(metric) ? 100 * value : value;

// 4 digits: 93.21 of a share, 0.1234, 1235.
function formatNumber(value) {
  if (typeof value !== "number") return value === null || value === undefined ? "-" : String(value);
  return Math.abs(value) >= 1e15 ? value.toExponential(3) : Math.abs(value) >= 1000 ? value.toFixed(0) : String(+value.toPrecision(4));
}

// As the sentences write a number in full: 0.0001, 1e-05.
function writeNumber(value) {
  const size = Math.abs(value);
  return !size || (size >= 1e-4 && size < 1e16) ? String(value) : value.toExponential().replace(/([+-])(\d)$/, "$10$2");
}

// The value of an option: a number in 4 digits, if these are enough to tell the group's values apart.
function formatOption(key, value) {
  if (typeof value !== "number") return value === undefined ? "-" : String(value);
  const round = number => Number.isInteger(number) ? number : +number.toPrecision(4);
  const rounded = state.group.rounded ??= new Map();  // by key: how many values become the same
  if (!rounded.has(key)) {
    const values = new Set(state.group.configurations.flatMap(listRuns).map(run => valueOfKey(run, key)).filter(each => typeof each === "number"));
    const counts = new Map();
    values.forEach(each => counts.set(round(each), (counts.get(round(each)) ?? 0) + 1));
    rounded.set(key, counts);
  }
  return writeNumber(rounded.get(key).get(round(value)) > 1 ? value : round(value));
}

function formatMetric(value, metric, digits = 4) {
  if (value === undefined || value === null) return "-";
  if (isShare(metric)) return (100 * value).toFixed(2);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return String(value);
  if (size >= 1e15 || (size && size < 1e-5)) return value.toExponential(digits - 1);
  return size >= 10 ** (digits - 1) ? value.toFixed(0) : value.toPrecision(digits);
}

// A row is a run, or a configuration with the means of its runs.
function listRows() {
  return state.group.configurations.flatMap((configuration, index) => {
    if (!state.averaged)
      return configuration.runs.map(number => ({id: `run-${number}`, configuration, run: DATA.runs[number], runs: [number]}));
    const number = configuration.averaged[0] ?? configuration.runs[0];
    return [{id: `configuration-${DATA.groups.indexOf(state.group)}-${index}`, configuration,
             run: DATA.runs[number], runs: configuration.averaged}];
  });
}

// "lr" for optimizer.lr, unless another key of the group ends so, too.
function shortKey(key) {
  const last = key.split(".").pop();
  return state.group.keys.filter(each => each.split(".").pop() === last).length > 1 ? key : last;
}

const describe = (run, keys) => keys.map(key => `${shortKey(key)}=${formatOption(key, valueOfKey(run, key))}`).join(", ");
const nameOf = row => !state.averaged ? row.run.name : describe(row.run, state.group.keys) || row.configuration.name;
const valueOfKey = (run, key) => Object.hasOwn(run.config, key) ? run.config[key]
  : Object.hasOwn(DATA.config, key) ? DATA.config[key] : undefined;
const listRuns = ({runs}) => runs.map(number => DATA.runs[number]);
const statusOf = row => state.averaged ? row.configuration.status : row.run.status;

// "2 finished, 1 diverged" in the page's language.
const sayStatus = status => status.replace(/[a-z]+/g, word => Object.hasOwn(TEXT, `status_${word}`) ? TEXT[`status_${word}`] : word);

// The mean of a metric, as a number to sort and draw by.
function metricValue(row, metric) {
  const metrics = state.averaged ? row.configuration.metrics : row.run.metrics;
  if (!Object.hasOwn(metrics, metric)) return undefined;
  return state.averaged ? metrics[metric][1] : metrics[metric];
}

function valueOf(row, column) {
  if (column.kind === "metric") return metricValue(row, column.name);
  if (column.kind === "key") return valueOfKey(row.run, column.name);
  return {name: nameOf(row), status: statusOf(row), started: row.run.started, n: row.runs.length,
          tags: row.run.tags.join(", "), note: row.run.note}[column.name];
}

function textOf(row, column) {
  const value = valueOf(row, column);
  if (column.kind === "key") return formatOption(column.name, value);
  if (column.name === "status" && column.kind === "fact") return sayStatus(value);
  if (column.kind !== "metric") return value === undefined || value === "" ? "-" : String(value);
  return state.averaged ? meanOf(row.configuration, column.name) : formatMetric(value, column.name);
}

// "93.21 ± 0.15" of a configuration.
function meanOf({metrics}, name) {
  const [, mean, std] = Object.hasOwn(metrics, name) ? metrics[name] : [0, null, null];
  return formatMetric(mean, name) + (std === null ? "" : ` ± ${formatMetric(std, name, 2)}`);
}

// The options that differ within the group, those that tell its configurations apart first.
function listKeys() {
  const runs = state.group.configurations.flatMap(listRuns);
  const differs = key => runs.some(run => valueOfKey(run, key) !== valueOfKey(runs[0], key));
  state.group.allKeys ??= [...new Set([...state.group.keys, ...DATA.keys.filter(differs)])];
  return state.group.allKeys;
}

// Every column that can be shown, in the table's order.
function listColumns() {
  const keys = listKeys().filter(key => !(state.averaged && key === "seed"));
  const runs = state.group.configurations.flatMap(listRuns);
  const typed = state.group.typed ??= ["tags", "note"].filter(name => runs.some(run => run[name].length));
  const facts = state.averaged ? ["n", "status"] : ["status", "started"];
  return [
    ...state.group.metrics.map(name => ({id: `metric ${name}`, kind: "metric", name})),
    ...keys.map(name => ({id: `key ${name}`, kind: "key", name})),
    ...(state.averaged ? [] : typed).map(name => ({id: `fact ${name}`, kind: "fact", name})),
    ...Object.keys(DATA.metrics).filter(name => !state.group.metrics.includes(name))
      .map(name => ({id: `metric ${name}`, kind: "metric", name})),
    ...facts.map(name => ({id: `fact ${name}`, kind: "fact", name})),
  ];
}

// Keys that differ, the metrics of every table, and what became of the run.
function chooseColumns() {
  const usual = [...state.group.metrics, "test_accuracy", "best_loss", "final_loss", "seconds", "images_per_second"];
  const keys = state.group.keys.slice(0, 10);
  return new Set(listColumns().filter(({kind, name}) =>
    kind === "metric" ? usual.includes(name) : kind === "key" ? keys.includes(name) || name === "seed"
      : ["n", "status", "tags", "note"].includes(name)).map(column => column.id));
}

// "lr" means optimizer.lr. null if no column is called so.
function findColumn(name) {
  const facts = ["status", "started", "n", "name", "tags", "note"].map(each => ({kind: "fact", name: each}));
  const keys = [...Object.keys(DATA.config), ...DATA.keys].map(each => ({kind: "key", name: each}));
  const metrics = Object.keys(DATA.metrics).map(each => ({kind: "metric", name: each}));
  const all = [...facts, ...keys, ...metrics];
  return all.find(each => each.name === name || (each.kind === "metric" && label(each.name).replace(" %", "") === name)) ?? all.find(each => each.name.endsWith(`.${name}`)) ?? null;
}

const plain = value => String(value).toLowerCase().replace(/[_ ]/g, "");
// A number may be typed in full or as it is shown.
function isEqual(row, column, wanted) {
  const value = valueOf(row, column);
  if (typeof value !== "number") return [value ?? "-", textOf(row, column)].some(text => plain(text) === plain(wanted));
  const shown = column.kind === "metric" ? formatMetric(value, column.name) : formatOption(column.name, value);
  return wanted.trim() !== "" && [shownNumber(value, column), Number(shown)].includes(Number(wanted));
}

// One condition of the filter, as a function of a row. Throws an Error with a sentence for a person.
function parseCondition(text) {
  const parts = text.match(/^([^=<>!]+)(>=|<=|!=|=|>|<)(.*)$/);
  if (!parts) return row => searchText(row).includes(text.toLowerCase());
  const [, name, sign, wanted] = parts;
  const column = findColumn(name);
  if (!column) throw new Error(fill(TEXT.unknown_key, name));
  if (column.kind === "fact" && ["tags", "note"].includes(column.name) && ["=", "!="].includes(sign))
    return row => listRuns(row.runs.length ? row : row.configuration).some(run => isNoted(run, column.name, wanted)) === (sign === "=");
  const value = row => valueOf(row, column);
  if (sign === "=") return row => isEqual(row, column, wanted);
  if (sign === "!=") return row => !isEqual(row, column, wanted);
  const bound = Number(wanted);
  if (wanted.trim() === "" || isNaN(bound)) throw new Error(fill(TEXT.not_number, name + sign));
  const holds = {">": a => a > bound, "<": a => a < bound, ">=": a => a >= bound, "<=": a => a <= bound}[sign];
  return row => typeof value(row) === "number"
    && (holds(shownNumber(value(row), column)) || (sign.length > 1 && isEqual(row, column, wanted)));
}

// As compare.py --where has it: tags=A if A is one of the tags, note=A if A is in the note.
function isNoted(run, name, wanted) {
  if (name === "tags") return run.tags.some(tag => plain(tag) === plain(wanted)) || (!run.tags.length && wanted === "");
  return wanted === "" ? !run.note : run.note.toLowerCase().includes(wanted.toLowerCase());
}

// Shares are compared as they are shown, in percent.
const shownNumber = (value, column) => column.kind === "metric" ? scaled(value, column.name) : value;

function searchText(row) {
  const values = [...state.group.keys, "seed"].flatMap(key => [valueOfKey(row.run, key), formatOption(key, valueOfKey(row.run, key))]);
  return [nameOf(row), ...listRuns(row.runs.length ? row : row.configuration).flatMap(run => [run.folder, ...run.tags, run.note]), statusOf(row), sayStatus(statusOf(row)), ...values].join(" ").toLowerCase();
}

function parseFilter(text) {
  const words = text.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  const conditions = words.map(word => parseCondition(word.replaceAll('"', "")));
  return row => conditions.every(holds => holds(row));
}

// Numbers before texts; what has no value comes last in both directions.
function sortRows(rows) {
  if (!state.sort) return rows;
  const {column, up} = state.sort, direction = up ? 1 : -1;
  const order = new Intl.Collator(undefined, {numeric: true});
  const keyed = rows.map(row => ({row, value: valueOf(row, column)}));
  const kind = ({value}) => value === undefined || value === "" ? 2 : typeof value === "number" ? 0 : 1;
  keyed.sort((a, b) => {
    if (kind(a) !== kind(b)) return kind(a) === 2 || kind(b) === 2 ? kind(a) - kind(b) : direction * (kind(a) - kind(b));
    if (kind(a) === 2) return 0;
    return direction * (kind(a) === 0 ? a.value - b.value : order.compare(a.value, b.value));
  });
  return keyed.map(each => each.row);
}
