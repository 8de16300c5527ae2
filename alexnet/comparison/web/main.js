// Joins the parts: what a person changes, and what is drawn again after it.

const byId = id => document.getElementById(id);
const fillSelect = (select, options) => select.replaceChildren(...options.map(([value, text]) => make("option", {value}, text)));

// Everything that depends on which rows there are, in which order, and which are ticked.
function refresh({rows = true} = {}) {
  if (rows) updateRows();
  chooseColours();
  if (rows) drawTable();
  else {
    forgetRows();
    updateCount();
  }
  drawCharts();
}

// Charts follow when the table is on the screen, and only once for many changes.
function drawCharts() {
  clearTimeout(drawCharts.timer);
  drawCharts.timer = setTimeout(() => {
    if (!window.Plotly) return;
    drawCurves();
    drawSwept();
    drawParallel();
  }, 30);
}

// Another group, or runs in place of configurations: other rows, columns and choices.
function changeRows() {
  const metrics = [...state.group.metrics, ...Object.keys(DATA.metrics).filter(name => !state.group.metrics.includes(name))];
  const keys = listKeys().filter(key => key !== "seed");
  fillSelect(byId("metric"), metrics.map(name => [name, label(name)]));
  fillSelect(byId("over"), keys.map(name => [name, name]));
  const numbers = keys.find(key => state.group.configurations.some(({runs}) => typeof valueOfKey(DATA.runs[runs[0]], key) === "number"));
  byId("over").value = numbers ?? keys[0] ?? "";
  byId("quantity").value = state.group.curve;
  state.ticked.clear();
  state.sort = state.averaged ? null : sortByMetric();
  state.shown = chooseColumns();
  byId("notes").hidden = !state.group.notes.length;
  byId("notes").querySelector("ul").replaceChildren(...state.group.notes.map(note => make("li", {}, note)));
  drawColumnMenu();
  refresh();
}

// Configurations come in the comparison's order, runs with the best first.
function sortByMetric() {
  const column = listColumns()[0];
  return {column, up: !metricOf(column.name).higher};
}

function start() {
  const count = DATA.groups.reduce((sum, group) => sum + group.configurations.length, 0);
  const tell = (number, one, several) => number === 1 ? one : fill(several, number);
  byId("summary").textContent = `${tell(DATA.runs.length, TEXT.one_run, TEXT.runs)}, ${tell(count, TEXT.one_configuration, TEXT.configurations)}`;
  fillSelect(byId("group"), DATA.groups.map((group, index) => [index, group.name]));
  byId("group-choice").hidden = byId("overview").hidden = DATA.groups.length < 2;
  byId("overview").querySelector("div").append(makeOverview());
  const has = name => DATA.runs.some(run => run.curves[name]);
  fillSelect(byId("quantity"), QUANTITIES.filter(name => name === "training_loss" || has(name)).map(name => [name, TEXT[name]]));
  state.averaged = DATA.groups.some(group => group.configurations.some(each => each.averaged.length > 1));
  byId("averaged").value = state.averaged ? "1" : "";
  byId("run").querySelector("div").append(make("p", {className: "empty"}, TEXT.details_none));
  changeRows();
  listen();
}

// The groups, with the figures of each one's best row. A click on a name goes there.
function makeOverview() {
  const metrics = [...new Set([...DATA.groups].sort((a, b) => b.by_validation - a.by_validation).flatMap(group => group.metrics))];
  const head = make("tr", {}, ...[TEXT.group, TEXT.rows, TEXT.finished_runs].map(text => make("th", {scope: "col"}, text)),
    ...metrics.map(name => make("th", {scope: "col", className: "number"}, label(name), ...(name.startsWith("test_") ? [makeMark(DATA.groups[0])] : []))),
    make("th", {scope: "col"}, TEXT.best));
  const rows = DATA.groups.map((group, index) => {
    const runs = group.configurations.flatMap(listRuns), best = group.best === null ? null : group.configurations[group.best];
    const link = make("a", {href: "#table", onclick: () => { byId("group").value = index; chooseGroup(index); }}, group.name);
    const cells = metrics.map(name => make("td", {className: "number"}, best && group.metrics.includes(name) ? meanOf(best, name) : "-"));
    return make("tr", {}, make("th", {scope: "row"}, link), make("td", {}, String(group.configurations.length)),
      make("td", {}, fill(TEXT.of, runs.filter(run => run.status === "finished").length, runs.length)), ...cells, make("td", {}, best ? shortName(best.name) : "-"));
  });
  return make("table", {className: "plain"}, make("thead", {}, head), make("tbody", {}, ...rows));
}

function chooseGroup(index) {
  state.group = DATA.groups[index];
  changeRows();
}

function listen() {
  byId("group").addEventListener("change", event => chooseGroup(event.target.value));
  byId("averaged").addEventListener("change", event => { state.averaged = event.target.value === "1"; changeRows(); });
  byId("filter").addEventListener("input", event => {
    state.filter = event.target.value;
    scroller.scrollTop = 0;
    refresh();
  });
  byId("clear").addEventListener("click", () => { state.ticked.clear(); refresh({rows: false}); });
  for (const id of ["quantity", "metric"]) byId(id).addEventListener("change", () => refresh({rows: false}));
  for (const id of ["log", "over"]) byId(id).addEventListener("change", drawCharts);
  document.addEventListener("keydown", event => {
    if (event.key !== "Escape") return;
    if (byId("columns").open) { byId("columns").open = false; byId("columns").querySelector("summary").focus(); }
    else if (byId("run").contains(document.activeElement)) goBack();
  });
  document.addEventListener("click", event => { if (!byId("columns").contains(event.target) && event.target.isConnected) byId("columns").open = false; });
  window.addEventListener("hashchange", openFromAddress);
  window.addEventListener("resize", () => { drawVisibleRows(); drawCharts(); });
  isDark.addEventListener("change", () => { refresh({rows: false}); if (state.open) openFromAddress(); });
}

// Nothing is laid out before the font is there: Chromium would keep the boxes and widths of characters that it hadn't.
const ready = document.fonts.load("1em 'Noto Sans SC'", "中").finally(() => {
  document.documentElement.classList.remove("loading");
  start();
});

// Called when Plotly is there.
function drawAll() {
  ready.then(() => {
    drawCurves();
    drawSwept();
    drawParallel();
    openFromAddress();
  });
}
