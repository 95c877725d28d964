/** Mutates a `tokenizer.json` by what its parts mean. */

import { mutateJson } from "./json.js";

const IDS = [
  -1,
  0,
  15,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  1e300,
  1.5,
  "1",
  "length",
  null,
];
const NUMBERS = [
  -1,
  0,
  1,
  2,
  3,
  2 ** 20,
  2 ** 32,
  2 ** 53,
  1.5,
  "0",
  "2",
  null,
  undefined,
  true,
  {},
];
/** None that takes exponential time: the client has no limit for that, as its README says. */
const PATTERNS = [
  "",
  "(",
  ".*",
  "^",
  "\\p{L}+|\\s",
  "\\",
  "[",
  "(?R)",
  "(?=.)",
  "(?<=a)b",
  "\\w{1,1000}{1,1000}",
].concat([
  "(((((((((((((a?){9}){9}){9}){9})))))))))",
  "[[:alpha:]&&[^a]]",
  "\\G",
  "(?i:a)",
  "[z-a]",
  "\\p{Nonsense}",
]);
const WORDS = [
  "",
  " ",
  "a",
  "film",
  "[CLS]",
  "\0",
  "x".repeat(10_000),
  "(",
  "é",
  null,
  5,
  {},
  { length: 4e9 },
];
const LONG = "y".repeat(100_000);

export function mutateTokenizer(random, data) {
  const tokenizer = JSON.parse(data.toString("utf8"));
  for (let times = random.pick([1, 1, 2, 3]); times > 0; times--)
    random.pick(CHANGES)(random, tokenizer);
  const text = Buffer.from(JSON.stringify(tokenizer));
  return random.onceIn(10) ? mutateJson(random, text) : text;
}

function pattern(random) {
  return {
    [random.pick(["Regex", "Regex", "String", "Other"])]: random.pick([...PATTERNS, 5, null]),
  };
}

/** Ids that are huge, negative or there twice; words that are odd; no words. */
function ids(random, { model }) {
  const vocab = model?.vocab ?? null;
  if (vocab === null || typeof vocab !== "object" || Object.keys(vocab).length === 0) return;
  const word = random.pick(Object.keys(vocab));
  random.pick([
    () => (vocab[word] = random.pick(IDS)),
    () => delete vocab[word],
    () => (vocab[random.pick(["", " ", "\0", LONG, "##", "constructor"])] = random.pick(IDS)),
    () => (model.vocab = random.pick([{}, [], null, "ab", { length: 4e9 }])),
    () =>
      Object.assign(
        vocab,
        Object.fromEntries(range(1000).map((at) => [`w${at}`, random.below(2 ** 32)])),
      ),
  ])();
}

/** Another kind of model, or another unknown token. */
function model(random, tokenizer) {
  const { vocab, ...rest } = tokenizer.model ?? {};
  const words = Object.keys(vocab ?? {});
  const unk_token = random.pick([null, "", "missing", "[UNK]", 0, LONG]);
  tokenizer.model = random.pick([
    { ...rest, vocab, unk_token },
    {
      type: "BPE",
      vocab,
      merges: random.pick([[], ["a b"], [["a", "b"]], ["t h", "th e"], ["a"], {}, null, [5]]),
    },
    {
      type: "BPE",
      vocab,
      merges: [],
      byte_fallback: true,
      unk_token,
      end_of_word_suffix: random.pick(["", "</w>", 5]),
    },
    { type: "BPE", vocab, merges: [], unk_token, continuing_subword_suffix: LONG, fuse_unk: true },
    {
      type: "WordPiece",
      vocab,
      unk_token,
      continuing_subword_prefix: random.pick(["##", "", "x".repeat(1000), null, undefined]),
      max_input_chars_per_word: random.pick(NUMBERS),
    },
    {
      type: "Unigram",
      vocab: random.pick([
        [],
        [["a", 0]],
        words.map((word) => [word, -1]),
        [
          ["", 0],
          ["a", 1e308],
          ["a", -1e308],
        ],
        [["a", null]],
        [[5, 0]],
        { length: 4e9 },
      ]),
      unk_id: random.pick([...NUMBERS, "length"]),
    },
    { type: "WordLevel", vocab, unk_token },
    { type: "Nonsense" },
    { type: "Nonsense", vocab: random.pick([{ length: 4e9 }, [], {}]) },
    null,
  ]);
}

function normalizer(random, tokenizer) {
  const one = random.pick([
    {
      type: "Replace",
      pattern: pattern(random),
      content: random.pick([...PATTERNS, LONG, null, 5]),
    },
    { type: "Replace", pattern: { Regex: "." }, content: "aa" },
    { type: "Replace", pattern: { String: "" }, content: LONG },
    { type: "Prepend", prepend: random.pick(["", "x", LONG, null, {}]) },
    { type: "Precompiled", precompiled_charsmap: random.pick(["", "AAAA", 5]) },
    { type: "BertNormalizer", clean_text: 1, handle_chinese_chars: true },
    ...["NFC", "NFKD", "NFKC", "Lowercase", "StripAccents", "Nmt", "Nonsense"].map((type) => ({
      type,
    })),
    { type: "Strip", strip_left: true, strip_right: true },
    null,
  ]);
  tokenizer.normalizer = nested(random, one, "normalizers");
}

function splitter(random, tokenizer) {
  const one = random.pick([
    {
      type: "Split",
      pattern: pattern(random),
      behavior: random.pick(["Removed", "Isolated", "MergedWithNext", "Nonsense", 5]),
      invert: random.onceIn(2),
    },
    {
      type: "Metaspace",
      replacement: random.pick(["_", "", "ab", LONG, null, 5]),
      prepend_scheme: "always",
    },
    { type: "Replace", pattern: pattern(random), content: random.pick(["aa", LONG, null]) },
    { type: "Replace", pattern: { Regex: "." }, content: "aa" },
    { type: "ByteLevel", add_prefix_space: true, use_regex: random.onceIn(2) },
    { type: "FixedLength", length: random.pick(NUMBERS) },
    { type: "FixedLength", length: random.pick(NUMBERS) },
    { type: "Digits", individual_digits: true },
    ...["Punctuation", "Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Nonsense"].map(
      (type) => ({ type }),
    ),
    null,
  ]);
  tokenizer.pre_tokenizer = nested(random, one, "pretokenizers");
}

/** Special tokens around a text: unknown, without ids, or very many; a text many times. */
function template(random, tokenizer) {
  const id = random.pick(["[CLS]", "missing", "", null, 5]);
  const special = { SpecialToken: { id, type_id: random.pick(NUMBERS) } };
  const text = { Sequence: { id: random.pick(["A", "A", "A", "B", "C"]), type_id: 0 } };
  const one = random.pick([
    {
      type: "TemplateProcessing",
      single: [
        ...times(random.pick([0, 1, 4, 100]), special),
        ...times(random.pick([0, 1, 2, 20]), text),
      ],
      pair: [],
    },
    { type: "TemplateProcessing", single: random.pick([null, "A", {}, [5], [null]]) },
    {
      type: random.pick(["BertProcessing", "RobertaProcessing"]),
      sep: random.pick([["[SEP]", random.pick(IDS)], null, []]),
      cls: ["[CLS]", random.pick(IDS)],
    },
    { type: "ByteLevel" },
    null,
  ]);
  tokenizer.post_processor = nested(random, one, "processors");
}

function added(random, tokenizer) {
  const count = random.pick([1, 1, 3, 1000]);
  const odd = random.pick([null, {}, [null], "ab", [5]]);
  const tokens = range(count).map((at) => ({
    id: random.pick([...IDS, at]),
    content: count < 10 ? random.pick(WORDS) : `t${at}`,
    ...Object.fromEntries(
      ["lstrip", "rstrip", "normalized", "special"].map((key) => [key, random.onceIn(2)]),
    ),
  }));
  tokenizer.added_tokens = random.onceIn(8) ? odd : tokens;
}

function decoder(random, tokenizer) {
  tokenizer.decoder = random.pick([
    { type: "Replace", pattern: pattern(random), content: "" },
    { type: "Strip", content: "", start: 2 ** 40, stop: -1 },
    { type: "CTC", pad_token: "" },
    { type: "Nonsense" },
    5,
  ]);
}

/** One step in sequences of itself: beside each other, and in each other. */
function nested(random, one, parts) {
  let step = one;
  if (random.onceIn(3)) step = { type: "Sequence", [parts]: times(random.pick([2, 40]), one) };
  for (let depth = random.pick([0, 0, 0, 1, 40, 1000]); depth > 0; depth--) {
    step = { type: "Sequence", [parts]: [step] };
  }
  return step;
}

function range(count) {
  return Array.from({ length: count }, (_, at) => at);
}

function times(count, value) {
  return new Array(count).fill(value);
}

const CHANGES = [
  ...[ids, ids, model, model, normalizer, normalizer, splitter, splitter],
  ...[template, template, added, added, decoder],
];
