"use strict";
// A card for each image, and what a person filters them by. All texts reach the page as text, never as HTML.

const DATA = JSON.parse(document.getElementById("data").textContent);
const TEXT = DATA.text;
const STEP = 120;  // cards that are added at a time: a page of thousands would take long to lay out
const byId = id => document.getElementById(id);
let shown = [];
let drawn = 0;

function fill(text, ...values) {
  let next = 0;
  return text.replace(/\{(\d*)\}/g, (_, number) => values[number === "" ? next++ : number]);
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}%`;
const isWrong = row => row.top.length > 0 && row.truth !== null && row.top[0][0] !== row.truth;
const isRight = row => row.top.length > 0 && row.truth !== null && row.top[0][0] === row.truth;

function makeCard(row) {
  const caption = make("figcaption", {title: row.path}, make("bdi", {}, row.path));
  if (!row.top.length) return make("figure", {className: "broken"}, caption, make("div", {className: "error"}, row.error));
  const bars = row.top.map(([number, value]) => {
    const bar = make("i", {});
    bar.style.width = percent(value);
    const name = make("span", {title: DATA.names[number]}, DATA.names[number]);
    return make("li", {className: number === row.truth ? "true" : ""}, bar, name, make("span", {}, percent(value)));
  });
  const image = make("img", {src: row.image, alt: "", loading: "lazy", className: DATA.small ? "small" : ""});
  const card = make("figure", {className: isWrong(row) ? "wrong" : ""}, caption, image, make("ol", {}, ...bars));
  if (row.truth !== null) card.append(make("div", {className: "truth"}, fill(TEXT.is, DATA.names[row.truth])));
  return card;
}

function addCards() {
  byId("images").append(...shown.slice(drawn, drawn + STEP).map(makeCard));
  drawn = Math.min(drawn + STEP, shown.length);
  byId("more").hidden = drawn >= shown.length;
}

const KINDS = {all: () => true, right: isRight, wrong: isWrong, broken: row => !row.top.length};
const confidence = row => row.top.length ? row.top[0][1] : -1;
const ORDERS = {given: null, most: (a, b) => confidence(b) - confidence(a), least: (a, b) => confidence(a) - confidence(b)};

function filter() {
  const [predicted, truth] = ["predicted", "truth"].map(id => byId(id).value);
  const [from, to] = [["from", 0], ["to", 100]].map(([id, otherwise]) => {
    const value = byId(id).valueAsNumber;
    return (Number.isNaN(value) ? otherwise : value) / 100;
  });
  const everything = from <= 0 && to >= 1;
  shown = DATA.rows.filter(row =>
    (predicted === "" || (row.top.length > 0 && row.top[0][0] === Number(predicted)))
    && (truth === "" || row.truth === Number(truth)) && KINDS[byId("kind").value](row)
    && (everything || (row.top.length > 0 && row.top[0][1] >= from && row.top[0][1] <= to)));
  if (ORDERS[byId("order").value]) shown = shown.toSorted(ORDERS[byId("order").value]);
  byId("images").replaceChildren();
  drawn = 0;
  addCards();
  byId("count").textContent = fill(TEXT.count, shown.length.toLocaleString("en"), DATA.rows.length.toLocaleString("en"));
}

function fillSelect(id, options) {
  byId(id).replaceChildren(...options.map(([value, text]) => make("option", {value}, text)));
}

function listClasses(numberOf) {
  const counts = new Map();
  for (const row of DATA.rows) {
    const number = numberOf(row);
    if (number !== null) counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([a], [b]) => a - b);
  return [["", TEXT.any], ...sorted.map(([number, count]) => [number, `${DATA.names[number]} (${count.toLocaleString("en")})`])];
}

function start() {
  byId("network").textContent = DATA.network;
  const {accuracy, accuracy_interval: interval, accuracy_images: count} = DATA.totals;
  if (accuracy !== undefined)
    byId("accuracy").textContent = fill(TEXT.accuracy, percent(accuracy, 2), count.toLocaleString("en"), percent(interval[0], 2), percent(interval[1], 2));
  fillSelect("predicted", listClasses(row => row.top.length ? row.top[0][0] : null));
  fillSelect("truth", listClasses(row => row.truth));
  const kinds = Object.keys(KINDS).filter(kind => kind === "all" || DATA.rows.some(KINDS[kind]));
  fillSelect("kind", kinds.map(kind => [kind, TEXT[kind]]));
  fillSelect("order", Object.keys(ORDERS).map(order => [order, TEXT[order]]));
  byId("truths").hidden = accuracy === undefined;
  for (const control of document.querySelectorAll("select, input")) control.addEventListener("input", filter);
  document.querySelector("form").addEventListener("submit", event => event.preventDefault());
  byId("more").addEventListener("click", addCards);
  new IntersectionObserver(([entry]) => { if (entry.isIntersecting && drawn < shown.length) addCards(); }, {rootMargin: "600px"}).observe(byId("more"));
  filter();
}

// Nothing is laid out before the font is there: Chromium would keep the widths of characters that it hadn't.
document.fonts.load("1em 'Noto Sans SC'", "中").finally(() => {
  document.documentElement.classList.remove("loading");
  start();
});
