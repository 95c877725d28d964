/** Mutates JSON by its structure: keys, types, numbers, strings, nesting, and the text itself. */

import { mutateBytes } from "./bytes.js";

/** Brackets: deeper than any stack. */
const DEEP = 100_000;
const LONG = 2 ** 20;

/** Texts that stand for themselves, JSON or not. */
const TEXTS = [
  ..."0 -0 -1 1 2 1.5 1e-400 1e999 -1e999 1e308 3.5e38 NaN Infinity 01 +1 .5 0x10 -".split(" "),
  ...[15, 31, 32, 53, 63, 64].flatMap((bits) =>
    [2n ** BigInt(bits), 2n ** BigInt(bits) - 1n].map(String),
  ),
  "9".repeat(400),
  ...["null", "true", "false", "[]", "{}", "[null]", "[[]]", '{"a": 1}', '{"": null, "": null}'],
  ...['{"__proto__": 1}', '{"constructor": "x", "length": 4000000000}', "undefined", "", "[1, 2,]"],
  ...["[".repeat(DEEP) + "]".repeat(DEEP), "[".repeat(DEEP), '{"a":'.repeat(DEEP)],
  ...["[".repeat(60) + "]".repeat(60), '{"a":'.repeat(500) + "1" + "}".repeat(500)],
  ...[`"${"a".repeat(LONG)}"`, `[${"0,".repeat(LONG / 8)}0]`, `"${"\\\\".repeat(LONG)}"`],
  ...['"\\ud800"', '"\\udc00\\ud800x"', '"\\u0000"', '"\\q"', '"\t"', '"open', "'single'"],
];
const STRINGS = [
  ...["", " ", "\0", "\x1b[31m", "\u2028", "\ufeff", "é".repeat(300), "a\nb", "\u{10ffff}", "null"],
  ...[
    "../outside",
    "/etc/passwd",
    "C:\\x",
    ".",
    "model.sig",
    "clampdown.json",
    "a/../../b",
    "x".repeat(5000),
  ],
  ...["__proto__", "constructor", "prototype", "toString", "length", "hasOwnProperty"],
  `sha256:${"0".repeat(64)}`,
];

export function mutateJson(random, data) {
  // What a mark stands for in the text that is written.
  const raw = new Map();
  let value = JSON.parse(data.toString("utf8"));
  for (let times = random.pick([1, 1, 1, 2, 3]); times > 0; times--) {
    value = changed(random, value, raw);
  }
  let text = JSON.stringify(value);
  for (const [mark, replacement] of raw) text = text.replace(`"${mark}"`, () => replacement);
  if (random.onceIn(20)) return Buffer.from(text, random.pick(["utf16le", "latin1"]));
  const bytes = Buffer.from(random.onceIn(20) ? `\ufeff${text}` : text);
  return random.onceIn(12) ? mutateBytes(random, bytes) : bytes;
}

function changed(random, value, raw) {
  const places = containers(value);
  if (places.length === 0 || random.onceIn(40)) return oddValue(random, raw);
  // Half of the time not inside one of the large lists, of which a file is full.
  const container = random.onceIn(2) ? random.pick(places) : random.pick(places.slice(0, 12));
  random.pick(CHANGES)(random, container, raw, places);
  return value;
}

/** A value that is probably of the wrong type, range or syntax. */
function oddValue(random, raw) {
  return random.onceIn(3) ? random.pick(STRINGS) : marked(raw, random.pick(TEXTS));
}

function marked(raw, text) {
  const mark = `@${raw.size}@`;
  raw.set(mark, text);
  return mark;
}

/** The objects and lists that hold something, a holder before what it holds. */
function containers(value) {
  if (value === null || typeof value !== "object") return [];
  const items = Object.values(value);
  return items.length === 0 ? [] : [value, ...items.flatMap(containers)];
}

function keyOf(random, container) {
  return random.pick(Object.keys(container));
}

function drop(random, container) {
  const key = keyOf(random, container);
  if (Array.isArray(container)) container.splice(Number(key), 1);
  else delete container[key];
}

function replace(random, container, raw) {
  container[keyOf(random, container)] = oddValue(random, raw);
}

/** A key twice, or an item. */
function repeat(random, container, raw) {
  const key = keyOf(random, container);
  const text = JSON.stringify(container[key]);
  const other = Array.isArray(container) ? text : `${JSON.stringify(key)}: ${text}`;
  container[key] = marked(raw, `${text}, ${other}`);
}

function add(random, container, raw) {
  const value = oddValue(random, raw);
  if (Array.isArray(container)) container.push(value);
  else define(container, random.pick(STRINGS), value);
}

function rename(random, container, raw) {
  if (Array.isArray(container)) return replace(random, container, raw);
  const key = keyOf(random, container);
  const value = container[key];
  delete container[key];
  define(container, random.pick(STRINGS), value);
}

/** A value from another place: of the file's own kind, and yet not of this key's. */
function elsewhere(random, container, raw, places) {
  const other = random.pick(places);
  container[keyOf(random, container)] = structuredClone(other[keyOf(random, other)]);
}

/** Another number or string near the one that is there. */
function nudge(random, container, raw) {
  const key = keyOf(random, container);
  const value = container[key];
  if (typeof value === "number") {
    container[key] = random.pick([value + 1, value - 1, -value, value * 10, String(value)]);
  } else if (typeof value === "string") {
    container[key] = random.pick([
      `${value}\0`,
      value.slice(1),
      value.slice(0, 1000).repeat(3),
      value.toUpperCase(),
    ]);
  } else {
    replace(random, container, raw);
  }
}

/** Not by assignment, which sets the prototype where the key is `__proto__`. */
function define(container, key, value) {
  Object.defineProperty(container, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

const CHANGES = [drop, replace, replace, repeat, add, rename, elsewhere, nudge, nudge];
