import assert from "node:assert/strict";
import { test } from "node:test";

import { BundleError } from "clampdown";

import { BundleTokenizer } from "../dist/tokenizer.js";

/** Every character is a token: `a`, and the unknown one. */
const LETTERS = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "FixedLength", length: 1 },
  post_processor: null,
  decoder: null,
  model: { type: "WordPiece", vocab: { a: 0, "[UNK]": 1 }, unk_token: "[UNK]" },
};
/** Words between spaces, of which 𠮷 is one. */
const WORDS = {
  ...LETTERS,
  normalizer: { type: "Replace", pattern: { String: "𠮷" }, content: " " },
  pre_tokenizer: { type: "WhitespaceSplit" },
};

function make(description, length = 4, side = "right") {
  const bytes = Buffer.from(JSON.stringify(description));
  return new BundleTokenizer(bytes, "tokenizer.json", length, side);
}

function assertRefused(call, message) {
  assert.throws(call, (error) => {
    assert.ok(error instanceof BundleError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

test("a text is read as far as its tokens can reach, 256 characters for each", () => {
  const tokenizer = make(WORDS);
  // What JavaScript counts as one character, as two, and as both.
  for (const spaces of [" ".repeat(1023), "𠮷".repeat(1023), " 𠮷𠮷".repeat(341)]) {
    assert.deepEqual(tokenizer.encode(`${spaces}a`), { ids: [0], truncated: false });
    // The second letter would make another word of the first.
    assert.deepEqual(tokenizer.encode(`${spaces}aa`), { ids: [0], truncated: true });
    assert.deepEqual(tokenizer.encode(`${spaces} a`), { ids: [], truncated: true });
    assert.deepEqual(tokenizer.encode(`${spaces}𠮷a`), { ids: [], truncated: true });
  }
  assert.deepEqual(tokenizer.encode("aa"), { ids: [1], truncated: false });
});

test("the beginning is cut off where the manifest says so", () => {
  const tokenizer = make(WORDS, 4, "left");
  assert.deepEqual(tokenizer.encode("b b b a a a"), { ids: [1, 0, 0, 0], truncated: true });
  assert.deepEqual(tokenizer.encode("b a"), { ids: [1, 0], truncated: false });
  for (const spaces of [" ".repeat(1023), "𠮷".repeat(1023), " 𠮷𠮷".repeat(341)]) {
    assert.deepEqual(tokenizer.encode(`a${spaces}`), { ids: [0], truncated: false });
    assert.deepEqual(tokenizer.encode(`aa${spaces}`), { ids: [0], truncated: true });
    assert.deepEqual(tokenizer.encode(`a${spaces}𠮷`), { ids: [], truncated: true });
  }
});

for (const side of ["right", "left"]) {
  test(`windows cover every token in order, where the ${side} side is cut off`, () => {
    const special = [
      { id: 2, content: "[CLS]", special: true },
      { id: 3, content: "[SEP]", special: true },
    ];
    const single = [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
    ];
    const post_processor = { type: "TemplateProcessing", single };
    const tokenizer = make({ ...WORDS, added_tokens: special, post_processor }, 8, side);
    const windows = (text, size, stride) => tokenizer.encodeInWindows(text, { size, stride }).ids;
    assert.equal(tokenizer.special, 2);
    const text = "a b b a b";
    assert.deepEqual(windows(text, 5, 2), [
      [2, 0, 1, 1, 3],
      [2, 1, 0, 1, 3],
    ]);
    assert.deepEqual(windows(text, 5, 3), [
      [2, 0, 1, 1, 3],
      [2, 0, 1, 3],
    ]);
    assert.deepEqual(windows("a b", 3, 1), [
      [2, 0, 3],
      [2, 1, 3],
    ]);
    assert.deepEqual(windows(text), [[2, 0, 1, 1, 0, 1, 3]]);
    assert.deepEqual(windows("a ".repeat(7)), [
      [2, 0, 0, 0, 0, 0, 0, 3],
      [2, 0, 0, 0, 0, 3],
    ]);
    assert.deepEqual(tokenizer.encodeInWindows(`a${" ".repeat(2047)}`).truncated, false);
    assert.deepEqual(tokenizer.encodeInWindows(`a${" ".repeat(2048)}`).truncated, true);
  });
}

test("a failure on a text is the bundle's error", () => {
  const unknown = { ...LETTERS, model: { ...LETTERS.model, unk_token: "missing" } };
  assertRefused(() => make(unknown).encode("b"), /found a failure on a text \(the id undefined/);
  const odd = { ...LETTERS, added_tokens: [{ id: 5, content: "b" }] };
  assert.deepEqual(make(odd).encode("ab").ids, [0, 5]);
  for (const id of [-1, 1.5, "1", 2 ** 53]) {
    odd.added_tokens[0].id = id;
    assertRefused(() => make(odd).encode("ab"), /found a failure on a text/);
  }
});

for (const [name, change] of Object.entries({
  "pieces of no length": { pre_tokenizer: { type: "FixedLength", length: 0 } },
  "pieces of no length in a sequence": {
    pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "FixedLength", length: null }] },
  },
  "an added token that is no text": { added_tokens: [{ id: 1, content: { length: 4e9 } }] },
  "a vocabulary that is no list": { model: { type: "Unigram", vocab: { length: 4e9 } } },
  "a text doubled forty times": {
    normalizer: {
      type: "Sequence",
      normalizers: new Array(40).fill({ type: "Replace", pattern: { Regex: "." }, content: "aa" }),
    },
  },
  "pieces doubled forty times": {
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: new Array(40).fill({
        type: "Replace",
        pattern: { Regex: "." },
        content: "aa",
      }),
    },
  },
  "tokens doubled forty times": {
    post_processor: {
      type: "Sequence",
      processors: new Array(40).fill({
        type: "TemplateProcessing",
        single: new Array(2).fill({ Sequence: { id: "A", type_id: 0 } }),
      }),
    },
  },
  "ids that are no numbers": { model: { ...LETTERS.model, vocab: { a: "0", "[UNK]": 1 } } },
})) {
  test(`a tokenizer with ${name} is refused`, () => {
    assertRefused(() => make({ ...LETTERS, ...change }), /found a tokenizer that cannot be read/);
  });
}

test("a tokenizer that nests without end is refused", () => {
  const deep = '{"type":"Sequence","normalizers":['.repeat(100_000) + "]}".repeat(100_000);
  const text = JSON.stringify(LETTERS).replace('"normalizer":null', () => `"normalizer":${deep}`);
  assertRefused(() => new BundleTokenizer(Buffer.from(text), "it", 4), /cannot be read \(Maximum/);
  const brackets = Buffer.from("[".repeat(1_000_000));
  assertRefused(() => new BundleTokenizer(brackets, "it", 4), /cannot be read/);
});

test("a tokenizer that is not in UTF-8 is refused, as in Python", () => {
  const text = JSON.stringify({ ...LETTERS, version: "é" });
  for (const bytes of [Buffer.from(text, "latin1"), Buffer.from(`\ufeff${text}`)]) {
    assertRefused(() => new BundleTokenizer(bytes, "it", 4), /cannot be read/);
  }
  new BundleTokenizer(Buffer.from(text), "it", 4);
});

test("steps that make a text a little longer are no growth without end", () => {
  const normalizers = [{ type: "NFKD" }, { type: "Prepend", prepend: "a" }];
  const longer = make({ ...LETTERS, normalizer: { type: "Sequence", normalizers } }, 8000);
  // Eighteen letters of one, the most of all characters.
  assert.equal(longer.encode("\ufdfa".repeat(100_000)).ids.length, 8000);
});

/** Words, of which those that are known are their numbers, between 7, 8 and 9. */
const PAIRED = {
  ...LETTERS,
  pre_tokenizer: { type: "WhitespaceSplit" },
  model: { type: "WordPiece", vocab: { a: 0, b: 1, "[UNK]": 2, x: 7, y: 8, z: 9 }, unk_token: "[UNK]" },
  post_processor: {
    type: "TemplateProcessing",
    single: [{ Sequence: { id: "A", type_id: 0 } }],
    pair: [
      { SpecialToken: { id: "x", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "y", type_id: 1 } },
      { Sequence: { id: "B", type_id: 1 } },
      { SpecialToken: { id: "z", type_id: 2 } },
    ],
  },
};

function makePaired(description, length = 7, side = "right") {
  const bytes = Buffer.from(JSON.stringify(description));
  return new BundleTokenizer(bytes, "tokenizer.json", length, side, true);
}

test("of a pair the longer text is cut first, on its side", () => {
  const counts = (first, second, length) => {
    const pair = { text: "a ".repeat(first), text_pair: "b ".repeat(second) };
    const { ids, types, truncated } = makePaired(PAIRED, length).encode(pair);
    const found = [ids.filter((id) => id === 0).length, ids.filter((id) => id === 1).length];
    assert.deepEqual(ids, [7, ...Array(found[0]).fill(0), 8, ...Array(found[1]).fill(1), 9]);
    assert.deepEqual(types, [0, ...Array(found[0]).fill(0), 1, ...Array(found[1]).fill(1), 2]);
    assert.equal(truncated, found[0] < first || found[1] < second);
    return found;
  };
  assert.deepEqual(counts(2, 2, 7), [2, 2]);
  assert.deepEqual(counts(1, 9, 8), [1, 4]);
  assert.deepEqual(counts(9, 1, 8), [4, 1]);
  assert.deepEqual(counts(4, 9, 8), [2, 3]);
  assert.deepEqual(counts(9, 4, 8), [3, 2]);
  assert.deepEqual(counts(9, 9, 8), [2, 3]);
  const left = makePaired(PAIRED, 7, "left").encode({ text: "b b a", text_pair: "a a b" });
  assert.deepEqual(left.ids, [7, 1, 0, 8, 0, 1, 9]);
});

test("a tokenizer that does not part two texts is refused", () => {
  const bare = [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }];
  const template = { ...PAIRED.post_processor, pair: bare };
  // The package leaves the second text out where there is no post-processor.
  for (const post_processor of [null, { type: "ByteLevel" }, template]) {
    assertRefused(
      () => makePaired({ ...PAIRED, post_processor }),
      /nothing parts two texts|does not read a pair/,
    );
  }
  assertRefused(() => makePaired(PAIRED, 4), /3 special tokens around a pair; expected at least two/);
});
