/** Levels of lists and objects: a manifest has two, golden rows have four. */
const DEEPEST = 64;

/**
 * Parses JSON more strictly than `JSON.parse`, which keeps the last of several values of a key.
 *
 * @throws {Error} the text is not JSON, nests too deep, or an object in it holds a key twice.
 */
export function parseJson(text: string): unknown {
  // First: parsed, every level of a text of brackets would take many times its memory.
  refuseRepeatedKeys(text);
  return JSON.parse(text);
}

/** Goes once over a text that may be no JSON, which `JSON.parse` finds out afterwards. */
function refuseRepeatedKeys(text: string): void {
  const colon = /[ \t\n\r]*:/y;
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") {
      if (open.length === DEEPEST) throw new Error(`it nests deeper than ${DEEPEST} levels`);
      open.push(new Set());
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, at);
      colon.lastIndex = end;
      if (colon.test(text)) add(open.at(-1), JSON.parse(text.slice(at, end)) as string);
      at = end - 1;
    }
  }
}

function add(keys: Set<string> | undefined, key: string): void {
  if (keys?.has(key)) throw new Error(`the key ${JSON.stringify(key)} is there twice`);
  keys?.add(key);
}

/** The place after a string that begins at `start`; no pattern, which a long string overflows. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}
