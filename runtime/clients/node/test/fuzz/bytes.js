/** Mutates any file as bytes: flips, cuts, inserts, repeats and overwrites, a few times. */

const ODD = ["00", "ff", "ffffffff", "7fffffff", "80", "eda080", "0d", "5b", "22", "efbbbf"];

export function mutateBytes(random, data) {
  let changed = data;
  for (let times = 1 + random.below(4); times > 0; times--) {
    changed = random.pick(CHANGES)(random, changed);
  }
  return changed;
}

function flip(random, data) {
  const changed = Buffer.from(data);
  for (let times = random.pick([1, 1, 2, 8, 64]); times > 0 && data.length > 0; times--) {
    changed[random.below(data.length)] ^= 1 << random.below(8);
  }
  return changed;
}

function cut(random, data) {
  const [start, end] = span(random, data);
  return random.pick([
    data.subarray(0, start),
    data.subarray(end),
    Buffer.concat([data.subarray(0, start), data.subarray(end)]),
  ]);
}

function insert(random, data) {
  const [place] = span(random, data);
  const more = random.onceIn(2) ? random.bytes(1 + random.below(16)) : odd(random);
  return Buffer.concat([data.subarray(0, place), more, data.subarray(place)]);
}

function overwrite(random, data) {
  const [place] = span(random, data);
  const other = odd(random);
  return Buffer.concat([data.subarray(0, place), other, data.subarray(place + other.length)]);
}

function repeat(random, data) {
  const [start, end] = span(random, data);
  const most = Math.floor(2 ** 22 / (end - start + 1));
  const pieces = new Array(Math.min(most, random.pick([2, 3, 100]))).fill(
    data.subarray(start, end),
  );
  return Buffer.concat([data.subarray(0, start), ...pieces, data.subarray(end)]);
}

/** Far more than any file of a bundle has but the graph. */
function fill(random, data) {
  if (!random.onceIn(8)) return insert(random, data);
  const [place] = span(random, data);
  const piece = random.pick(["\0", "[", '{"a":', '"', "\\", " ", "\n"]);
  const many = Buffer.alloc(2 ** 22, piece);
  return Buffer.concat([data.subarray(0, place), many, data.subarray(place)]);
}

const CHANGES = [flip, flip, flip, cut, insert, overwrite, repeat, fill];

function odd(random) {
  return Buffer.from(random.pick(ODD), "hex");
}

function span(random, data) {
  const start = random.below(data.length + 1);
  const length = random.below(random.pick([2, 5, 33, data.length + 1]));
  return [start, Math.min(data.length, start + length)];
}
