// How values lie on an axis: words in rows, numbers evenly, or evenly by their logarithm.

// As compare.py --plot chooses: "symlog" is linear up to the least number but 0, logarithmic beyond it.
function findScale(values) {
  const given = [...new Set(values.filter(value => value !== undefined))];
  if (!given.length || given.some(value => typeof value !== "number"))
    return {kind: "category", words: given.sort(compareWords)};
  given.sort((a, b) => a - b);
  const sizes = given.filter(value => value).map(Math.abs), least = sizes.reduce((a, b) => Math.min(a, b), Infinity);
  const isWide = sizes.some(size => size > 100 * least);
  return {kind: isLogarithmic(given) ? "log" : isWide ? "symlog" : "linear", low: given[0], high: given.at(-1), least};
}

// Whether the numbers, in order, are spread more evenly on a logarithmic scale.
function isLogarithmic(numbers) {
  const low = numbers[0], high = numbers.at(-1), half = numbers.length / 2;
  if (low <= 0 || high < 8 * low) return false;
  const middle = (numbers[Math.ceil(half) - 1] + numbers[Math.floor(half)]) / 2;
  const off = Math.abs((middle - low) / (high - low) - 0.5);
  return numbers.length < 3 || Math.abs(Math.log(middle / low) / Math.log(high / low) - 0.5) <= off;
}

function compareWords(a, b) {
  const numbers = typeof a === "number" && typeof b === "number";
  return numbers ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
}

// Where a value lies, in units that are even along the axis.
function coordinate({kind, words, least}, value) {
  if (kind === "category") return words.indexOf(value);
  if (kind === "log") return Math.log10(value);
  const size = Math.abs(value) / least;
  return kind === "linear" ? value : Math.sign(value) * (size <= 1 ? size : 1 + Math.log10(size));
}

function fromCoordinate({kind, least}, place) {
  if (kind === "log") return 10 ** place;
  const size = Math.abs(place);
  return kind === "linear" ? place : Math.sign(place) * least * (size <= 1 ? size : 10 ** (size - 1));
}

const endsOf = scale => scale.kind === "category" ? [0, scale.words.length - 1] : [coordinate(scale, scale.low), coordinate(scale, scale.high)];

// Where a value lies on a scale, 0 to 1, and back.
function part(scale, value) {
  const [low, high] = endsOf(scale);
  return high > low ? (coordinate(scale, value) - low) / (high - low) : 0.5;
}

function valueAt(scale, share) {
  const [low, high] = endsOf(scale);
  return fromCoordinate(scale, low + share * (high - low));
}

// What Plotly is given for a value that is moved by a share of the axis.
function placeOf(scale, value, shift) {
  const [low, high] = endsOf(scale), place = coordinate(scale, value) + shift * (scale.kind === "category" ? scale.words.length : high - low || 1);
  return scale.kind === "log" ? 10 ** place : place;
}

// Words have a row each. A few numbers are their own ticks; Plotly knows no symlog, so it gets its powers of ten.
function axisOf(scale, key, values) {
  if (scale.kind === "category") {
    const step = Math.ceil(scale.words.length / 50), kept = scale.words.filter((_, index) => index % step === 0);
    return {...listTicksAt(scale, kept, word => escapeName(shortName(String(word), 16, 8))), range: [scale.words.length - 0.4, -0.6], zeroline: false};
  }
  const ticks = [...new Set(values)].sort((a, b) => a - b), format = value => formatOption(key, value);
  const areFew = ticks.length <= 10 && keepApart(scale, ticks).length === ticks.length;
  const type = scale.kind === "log" ? "log" : "linear";
  if (areFew) return {type, ...listTicksAt(scale, ticks, format)};
  return {type, ...(scale.kind === "symlog" ? listTicksAt(scale, keepApart(scale, listPowers(scale)), writeNumber) : {})};
}

const listTicksAt = (scale, values, format) => ({tickmode: "array", tickvals: values.map(value => placeOf(scale, value, 0)), ticktext: values.map(format)});

function keepApart(scale, values) {
  let last = -1;
  return values.filter(value => part(scale, value) - last >= 0.055 ? (last = part(scale, value), true) : false);
}

// Powers of ten on both sides of 0, in order.
function listPowers({low, high, least}) {
  const powers = [];
  for (let power = Math.ceil(Math.log10(least) - 1e-9); 10 ** power <= Math.max(-low, high) * (1 + 1e-9); power++) powers.push(Number(`1e${power}`));
  return [...powers.map(power => -power).reverse(), 0, ...powers].filter(power => power >= low && power <= high);
}
