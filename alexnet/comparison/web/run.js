// The section of one run: what it came to, its curve, its confusions, and how to repeat it.

function findRow(id) {
  const [kind, group, index] = id.split("-");
  if (kind === "configuration") return {group: Number(group), configuration: Number(index), run: null};
  for (const [place, each] of DATA.groups.entries()) {
    const found = each.configurations.findIndex(({runs}) => runs.includes(Number(group)));
    if (kind === "run" && found >= 0) return {group: place, configuration: found, run: Number(group)};
  }
  return null;
}

// Shows the run that the address names (#run-12, #configuration-0-3), and goes to its section.
function openFromAddress() {
  const id = decodeURIComponent(location.hash.slice(1)), found = /^(run|configuration)-\d/.test(id) && findRow(id);
  const configuration = found && DATA.groups[found.group]?.configurations[found.configuration];
  if (!configuration) return;
  state.open = id;
  const number = found.run ?? configuration.averaged[0] ?? configuration.runs[0];
  drawRun(DATA.runs[number], number, configuration);
  forgetRows();
  const section = document.getElementById("run");
  section.scrollIntoView();
  section.focus({preventScroll: true});
}

function drawRun(run, number, configuration) {
  const section = document.getElementById("run");
  section.querySelector("h2").textContent = run.folder;
  const cards = make("div", {className: "cards"}, ...[
    makeCurveCard(run), makeMetricsCard(run), makeConfusionCard(run), makeWorstCard(run),
    makePairsCard(TEXT.options, {...run.config, ...DATA.config}, Object.keys(run.config)),
    makePairsCard(TEXT.environment, {...run.environment, ...DATA.environment}, Object.keys(run.environment)),
  ].filter(Boolean));
  section.querySelector("div").replaceChildren(makeMoves(), makeStatus(run, number, configuration), ...makeNoted(run), makeCommand(run),
    makeRepeats(number, configuration), cards);
  drawRunCurve(run);
}

function makeMoves() {
  const index = view.rows.findIndex(row => row.id === state.open);
  const go = (text, place) => view.rows[place] ? [make("a", {href: `#${view.rows[place].id}`}, text)] : [];
  const back = make("a", {href: "#table"}, TEXT.back);
  back.addEventListener("click", event => { event.preventDefault(); goBack(); });
  return make("nav", {className: "bar"}, back, ...(index < 0 ? [] : [...go(TEXT.previous, index - 1), ...go(TEXT.next, index + 1)]));
}

// Back to the row from which the section was opened.
function goBack() {
  const index = view.rows.findIndex(row => row.id === state.open);
  document.getElementById("table").scrollIntoView();
  if (index >= 0) focusRow(index);
  history.replaceState(null, "", "#table");
}

function makeStatus(run, number, configuration) {
  const left = configuration.left_out[number];
  const words = [sayStatus(run.status), run.reason, left === run.reason ? "" : left, run.started].filter(Boolean);
  return make("p", {className: run.status === "finished" ? "hint" : "hint bad"}, words.join(" · "));
}

// The tags and the note, which a person typed.
function makeNoted(run) {
  const parts = [["tags", run.tags.join(", ")], ["note", run.note]].filter(([, text]) => text);
  return parts.map(([name, text]) => make("p", {className: "noted"}, make("strong", {}, `${TEXT[name]}: `), text));
}

function makeCommand(run) {
  const code = make("code", {}, run.command), button = make("button", {type: "button"}, TEXT.copy);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(run.command);
      button.textContent = TEXT.copied;
    } catch {
      getSelection().selectAllChildren(code);  // the browser allows no copying: it is marked, ready for Ctrl-C
    }
  });
  return make("div", {className: "command"}, make("span", {}, `${TEXT.reproduce}:`), code, button);
}

function makeRepeats(number, configuration) {
  const seedOf = each => `${TEXT.seed} ${valueOfKey(DATA.runs[each], "seed") ?? "-"}`;
  const links = configuration.runs.slice(0, 50).map(each => each === number
    ? make("strong", {}, seedOf(each)) : make("a", {href: `#run-${each}`, title: DATA.runs[each].folder}, seedOf(each)));
  return make("p", {className: "bar"}, `${TEXT.repeats} (${configuration.name}):`, ...links);
}

const makeCard = (title, ...content) => make("div", {}, make("h3", {}, title), ...content);

function makePlain(rows, heads = []) {
  const cells = row => row.map((cell, index) => make(index ? "td" : "th", {className: typeof cell === "number" ? "number" : ""},
    typeof cell === "number" ? formatNumber(cell) : cell));
  return make("table", {className: "plain"}, ...(heads.length ? [make("tr", {}, ...heads.map(head => make("th", {}, head)))] : []),
    ...rows.map(row => make("tr", {}, ...cells(row))));
}

function makePairsCard(title, pairs, own) {
  const rest = Object.keys(pairs).filter(key => !own.includes(key)).sort();
  const rows = [...own, ...rest].map(key => [own.includes(key) ? make("strong", {}, key) : key, typeof pairs[key] === "number" ? writeNumber(pairs[key]) : String(pairs[key])]);
  const shown = own.length && DATA.runs.length > 1 ? `${title} (${TEXT.differs})` : title;
  return makeCard(shown, make("div", {className: "scroll", tabIndex: 0, role: "region", "aria-label": title}, rows.length ? makePlain(rows) : TEXT.nothing));
}

function makeMetricsCard(run) {
  const rows = Object.entries(run.metrics).map(([name, value]) => {
    const isTestMetric = isTest({kind: "metric", name});
    return make("tr", {}, make("th", {}, label(name), ...(isTestMetric ? [makeMark(state.group)] : [])),
      make("td", {className: "number"}, formatMetric(value, name)));
  });
  return rows.length ? makeCard(TEXT.metrics, make("div", {className: "scroll", tabIndex: 0, role: "region", "aria-label": TEXT.metrics}, make("table", {className: "plain"}, ...rows))) : null;
}

function makeCurveCard(run) {
  const has = Object.keys(run.curves).length;
  return has ? makeCard(TEXT.curve, make("div", {className: "chart", id: "run-curve"}), make("div", {className: "legend"})) : null;
}

function drawRunCurve(run) {
  const place = document.getElementById("run-curve"), [blue, orange] = palette(), grey = palette().at(-1);
  if (!place) return;
  const parts = [["training_loss", blue, "lines", "y"], ["validation_loss", orange, "lines+markers", "y"], ["learning_rate", grey, "lines", "y2"]]
    .map(([name, colour, mode, yaxis]) => ({name, colour, mode, yaxis, points: run.curves[name]})).filter(({points}) => points);
  const traces = parts.map(({name, colour, mode, yaxis, points: [x, y]}) => ({
    x, y, mode: x.length < 3 ? "lines+markers" : mode, yaxis, name: TEXT[name], line: {color: colour, width: yaxis === "y" ? 2 : 1, dash: yaxis === "y" ? "solid" : "dot"},
  }));
  const chosen = typeof run.chosen === "number" ? run.chosen : null;
  const line = {type: "line", x0: chosen, x1: chosen, yref: "paper", y0: 0, y1: 1, line: {color: css("soft"), dash: "dash", width: 1}};
  const note = {x: chosen, y: 1, yref: "paper", text: fill(TEXT.chosen, chosen), showarrow: false, xanchor: "right", yanchor: "top"};
  plot(place, traces, {
    xaxis: {title: {text: TEXT.epoch}, ...wholeTicks(parts.map(({points: [x]}) => ({x})))},
    yaxis: {title: {text: run.curves.validation_loss ? TEXT.loss : TEXT.training_loss}, rangemode: "tozero"},
    ...(parts.some(({yaxis}) => yaxis === "y2") ? {yaxis2: {overlaying: "y", side: "right", showgrid: false, tickmode: "auto", nticks: 5, rangemode: "tozero", title: {text: TEXT.learning_rate}}} : {}),
    shapes: chosen ? [line] : [], annotations: chosen ? [note] : [],
  });
  place.nextSibling.replaceChildren(...parts.map(({name, colour}) => make("span", {}, make("span", {className: "chip", style: `background: ${colour}`}), TEXT[name])));
}

// Shares of the true class as a colour; the diagonal is right, so it is only outlined by its strength.
function makeConfusionCard(run) {
  if (!run.confusion) return null;
  const names = DATA.classes[run.classes];
  const short = name => name.length > 10 ? `${name.slice(0, 9)}…` : name;
  const head = make("tr", {}, make("td"), ...names.map(name => make("th", {scope: "col", title: name}, short(name))));
  const rows = run.confusion.map((row, place) => {
    const total = row.reduce((sum, count) => sum + count, 0) || 1;
    const cells = row.map((count, other) => make("td", {
      title: `${names[place]} → ${names[other]}: ${count}`, style: `background: rgba(${css("heat")}, ${(0.5 * count / total).toFixed(3)})`,
    }, count ? String(count) : ""));
    return make("tr", {}, make("th", {scope: "row", title: names[place]}, short(names[place])), ...cells);
  });
  return makeCard(TEXT.confusion, make("div", {className: "scroll", tabIndex: 0, role: "region", "aria-label": TEXT.confusion}, make("table", {className: "heat"}, head, ...rows)));
}

function makeWorstCard(run) {
  if (!run.worst?.length) return null;
  const rows = run.worst.map(([name, share, images, taken, count]) => [name, (100 * share).toFixed(2), String(images), `${taken} (${count})`]);
  return makeCard(TEXT.worst, makePlain(rows, [TEXT.class, TEXT.recognised, TEXT.images, TEXT.mistaken]));
}
