// The table. Only the rows that can be seen, and some around them, are in the page.

const ROW = 31;  // pixels, as page.css has it
const AROUND = 20;  // rows above and below those that can be seen
const scroller = document.getElementById("scroller");
const tableBody = scroller.querySelector("tbody");
const view = {rows: [], columns: [], drawn: [], start: -1, end: -1, total: 0};

// make("td", {className: "number"}, "0.5", child): texts are always text, never HTML.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  element.append(...children);
  return element;
}

// What the filter and the order leave, into `view`. A filter that can't be read leaves all.
function updateRows() {
  const problem = document.getElementById("filter-problem"), box = document.getElementById("filter");
  const all = listRows();
  view.total = all.length;
  try {
    view.rows = sortRows(all.filter(parseFilter(state.filter)));
    problem.textContent = "";
  } catch (error) {
    problem.textContent = error.message;
    view.rows = sortRows(all);
  }
  box.setAttribute("aria-invalid", String(problem.textContent !== ""));
  view.columns = listColumns().filter(column => state.shown.has(column.id));
}

function drawTable() {
  const columns = [{id: "name", kind: "fact", name: "name"}, ...view.columns];
  const widths = columns.map(measure);
  const table = scroller.querySelector("table");
  table.style.width = `${widths.reduce((sum, width) => sum + width, 0)}px`;
  table.setAttribute("aria-rowcount", view.rows.length + 1);
  scroller.querySelector("thead").replaceChildren(
    make("tr", {}, ...columns.map((column, index) => makeHeader(column, widths[index]))));
  forgetRows();
  updateCount();
}

function updateCount() {
  const ticked = view.rows.filter(row => state.ticked.has(row.id)).length;
  document.getElementById("count").textContent = fill(TEXT.count, view.rows.length, view.total)
    + (ticked ? `, ${fill(TEXT.selected, ticked)}` : "") + ".";
  document.getElementById("clear").hidden = !state.ticked.size;
  const all = scroller.querySelector("th input");
  all.checked = ticked > 0 && ticked === view.rows.length;
  all.indeterminate = ticked > 0 && ticked < view.rows.length;
}

// The width of a column in pixels, by its longest text.
function measure(column) {
  const pen = measure.pen ??= document.createElement("canvas").getContext("2d");
  pen.font = getComputedStyle(document.body).font;
  const texts = view.rows.map(row => textOf(row, column)).sort((a, b) => b.length - a.length).slice(0, 20);
  const widest = Math.max(0, ...texts.map(text => pen.measureText(text.slice(0, 200)).width));
  const head = pen.measureText(headOf(column)).width * 1.08 + (isTest(column) ? 52 : 18);
  const most = column.id === "name" ? Math.max(180, Math.min(440, 0.36 * scroller.clientWidth)) : 260;
  return Math.ceil(Math.min(Math.max(widest, head) + (column.id === "name" ? 42 : 0), most) + 22);
}

// What is measured on the test images is marked, above all where it chooses.
const isTest = ({kind, name}) => kind === "metric" && name.startsWith("test_")
  && (state.group.by_validation || name === state.group.metrics[0]);
const helpTest = group => group.by_validation ? TEXT.test_help : TEXT.test_chooses;
const makeMark = group => make("span", {className: "mark", title: helpTest(group)}, TEXT.test_mark);
function headOf(column) {
  if (column.id === "name") return state.averaged ? TEXT.configuration : TEXT.run;
  return column.kind === "metric" ? label(column.name) : column.kind === "fact" ? TEXT[column.name] : column.name;
}

const isNumeric = column => column.kind === "metric" || column.name === "n"
  || view.rows.some(row => typeof valueOf(row, column) === "number");

function makeHeader(column, width) {
  const button = make("button", {type: "button", title: isTest(column) ? helpTest(state.group) : column.name === "name" ? headOf(column) : column.name}, headOf(column));
  if (isTest(column)) button.append(makeMark(state.group));
  button.addEventListener("click", () => sortBy(column));
  const head = make("th", {scope: "col", style: `width: ${width}px`}, button);
  if (state.sort?.column.id === column.id) head.setAttribute("aria-sort", state.sort.up ? "ascending" : "descending");
  head.dataset.column = column.id;
  if (isNumeric(column)) head.classList.add("number");
  if (column.id === "name") {
    head.classList.add("first");
    const box = make("input", {type: "checkbox", "aria-label": TEXT.select_all});
    box.addEventListener("change", () => tick(view.rows, box.checked));
    head.replaceChildren(make("div", {className: "corner"}, box, button));
  }
  return head;
}

// Metrics begin with the best, all else upwards; a second click turns the order.
function sortBy(column) {
  const first = column.kind !== "metric" || !metricOf(column.name).higher;
  const again = state.sort?.column.id === column.id;
  state.sort = {column, up: again ? !state.sort.up : first};
  refresh();
  scroller.querySelector(`th[data-column="${CSS.escape(column.id)}"] button`).focus();
}

// Draws the rows in sight.
function drawVisibleRows() {
  const height = scroller.clientHeight || 600, count = view.rows.length;
  let start = Math.max(0, Math.floor(scroller.scrollTop / ROW) - AROUND);
  let end = Math.min(count, Math.ceil((scroller.scrollTop + height) / ROW) + AROUND);
  if (count <= 150) [start, end] = [0, count];
  if (Math.abs(start - view.start) < AROUND / 2 && Math.abs(end - view.end) < AROUND / 2 && view.start >= 0) return;
  [view.start, view.end] = [start, end];
  const focused = document.activeElement, line = focused.closest?.("#scroller tbody tr");
  const numeric = view.columns.map(isNumeric);
  const old = new Map(view.drawn.map(element => [element.dataset.id, element]));
  view.drawn = view.rows.slice(start, end).map((row, index) => old.get(row.id) ?? makeRow(row, start + index, numeric));
  const kept = new Set(view.drawn);
  old.forEach(element => kept.has(element) || element.remove());
  const [above, below] = tableBody.querySelectorAll(".spacer");
  let after = above;
  for (const element of view.drawn) {  // those that stay aren't moved, and keep the focus
    if (after.nextSibling !== element) after.after(element);
    after = element;
  }
  above.firstChild.style.height = `${start * ROW}px`;
  below.firstChild.style.height = `${(count - end) * ROW}px`;
  if (line && !line.isConnected) focusNearest(Number(line.getAttribute("aria-rowindex")) - 2, focused.tagName);
}

const countFitting = () => Math.max(1, Math.floor((scroller.clientHeight - scroller.querySelector("thead").offsetHeight) / ROW));

// A row that had the focus went out of sight: the nearest one in sight gets it, so that keys go on from there.
function focusNearest(index, tag) {
  const first = Math.ceil(scroller.scrollTop / ROW), last = first + countFitting() - 1;
  const row = view.rows[Math.min(Math.max(index, first), last, view.rows.length - 1)];
  tableBody.querySelector(`tr[data-id="${row?.id}"] ${tag}`)?.focus({preventScroll: true});
}

// The next drawing makes every row again, between two rows that stand for those out of sight.
function forgetRows() {
  const focused = document.activeElement?.closest?.("#scroller tbody tr") ? document.activeElement : null;
  const place = focused && {id: focused.closest("tr").dataset.id, tag: focused.tagName};
  const spacer = () => make("tr", {className: "spacer", "aria-hidden": "true"}, make("td", {colSpan: view.columns.length + 1}));
  tableBody.replaceChildren(spacer(), spacer());
  [view.start, view.end, view.drawn] = [-1, -1, []];
  drawVisibleRows();
  if (place) tableBody.querySelector(`tr[data-id="${place.id}"] ${place.tag}`)?.focus({preventScroll: true});
}

function makeRow(row, index, numeric) {
  const box = make("input", {type: "checkbox", checked: state.ticked.has(row.id), "aria-label": nameOf(row)});
  box.addEventListener("change", () => tick([row], box.checked));
  const link = make("a", {href: `#${row.id}`, title: state.averaged ? row.configuration.name : row.run.folder}, nameOf(row));
  const colour = chart.colours.get(row.id);
  const chip = colour ? [make("span", {className: "chip", style: `background: ${colour}`})] : [];
  const cells = view.columns.map((column, place) => makeCell(row, column, numeric[place]));
  const element = make("tr", {"aria-rowindex": index + 2},
    make("th", {scope: "row", className: "first"}, box, ...chip, link), ...cells);
  element.dataset.id = row.id;
  if (state.open === row.id) element.classList.add("open");
  return element;
}

function makeCell(row, column, isNumber) {
  const cell = make("td", {}, textOf(row, column));
  if (isNumber) cell.classList.add("number");
  if (isTest(column) && state.group.by_validation) cell.classList.add("test");
  if (column.name === "status" && statusOf(row) !== "finished") cell.classList.add("bad");
  if (column.name === "status" && !state.averaged) cell.title = row.run.reason;
  const spread = state.averaged && column.kind === "metric" && row.configuration.metrics[column.name];
  if (spread && spread[3] !== null)
    cell.title = fill(TEXT.interval, formatMetric(spread[3], column.name), formatMetric(spread[4], column.name));
  else if (column.kind === "key" && typeof valueOf(row, column) === "number" && cell.textContent !== writeNumber(valueOf(row, column)))
    cell.title = writeNumber(valueOf(row, column));
  else if (cell.textContent.length > 25) cell.title = cell.textContent;
  return cell;
}

function tick(rows, on) {
  for (const row of rows) on ? state.ticked.add(row.id) : state.ticked.delete(row.id);
  refresh({rows: false});
}

// Arrow keys go from row to row, the page keys as many as fit, Home and End to the first and the last.
scroller.addEventListener("keydown", event => {
  const line = event.target.closest?.("tbody tr");
  const now = line ? view.rows.findIndex(row => row.id === line.dataset.id) : -1;
  const last = view.rows.length - 1, page = countFitting();
  const next = {ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: last,
                PageDown: Math.min(now + page, last), PageUp: Math.max(now - page, 0)}[event.key];
  if (now < 0 || next === undefined || !view.rows[next]) return;
  event.preventDefault();
  focusRow(next, event.target.tagName);
});

function focusRow(index, tag = "A") {
  const head = scroller.querySelector("thead").offsetHeight, top = index * ROW;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  const bottom = top + ROW + head + 20 - scroller.clientHeight;
  if (bottom > scroller.scrollTop) scroller.scrollTop = bottom;
  drawVisibleRows();
  tableBody.querySelector(`tr[data-id="${view.rows[index].id}"] ${tag}`)?.focus({preventScroll: true});
}

let waiting = false;
scroller.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawVisibleRows(); });
});

// The menu of columns: a box for each, in three groups.
function drawColumnMenu() {
  const columns = listColumns();
  const groups = {keys: "key", metrics: "metric", facts: "fact"};
  const sets = Object.entries(groups).map(([title, kind]) => {
    const own = columns.filter(column => column.kind === kind);
    const set = on => { own.forEach(({id}) => on ? state.shown.add(id) : state.shown.delete(id)); drawColumnMenu(); refresh(); };
    const all = make("button", {type: "button", onclick: () => set(true)}, TEXT.all);
    const none = make("button", {type: "button", onclick: () => set(false)}, TEXT.none);
    return make("fieldset", {}, make("legend", {}, TEXT[title]), make("div", {className: "bar"}, all, none),
      ...own.map(makeColumnBox));
  });
  document.querySelector("#columns .menu").replaceChildren(...sets);
}

function makeColumnBox(column) {
  const box = make("input", {type: "checkbox", checked: state.shown.has(column.id), name: column.id});
  box.addEventListener("change", () => {
    box.checked ? state.shown.add(column.id) : state.shown.delete(column.id);
    refresh();
  });
  return make("label", {}, box, headOf(column));
}
