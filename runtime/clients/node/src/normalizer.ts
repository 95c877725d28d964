import type { Tokenizer } from "@huggingface/tokenizers";

/** A normalizer of `tokenizer.json`, as far as it matters here. */
interface Description {
  readonly type?: string;
  readonly normalizers?: readonly Description[];
  readonly lowercase?: boolean;
  readonly handle_chinese_chars?: boolean;
}

/** The ideographs beyond U+FFFF of which the Python package makes words; not all of those are. */
const IDEOGRAPHS =
  /[\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/**
 * Makes a tokenizer read two kinds of text as the Python package `tokenizers` does.
 *
 * Release 0.2 of `@huggingface/tokenizers` looks for ideographs in halves of surrogate pairs, so it
 * finds none beyond U+FFFF, and it lower-cases a whole text, so that a sigma that ends a word
 * becomes `ς`, where the Python package lower-cases letter by letter and has `σ`.
 */
export function amendNormalizer({ normalizer }: Tokenizer): void {
  if (normalizer === null) return;
  const steps = flat(normalizer.config as Description);
  const lowers = steps.some((step) => step.type === "Lowercase" || step.lowercase === true);
  const parts = steps.some((step) => step.handle_chinese_chars === true);
  const normalize = normalizer.normalize.bind(normalizer);
  normalizer.normalize = (text) => {
    const lowered = lowers ? text.replaceAll("Σ", "σ") : text;
    return normalize(parts ? lowered.replace(IDEOGRAPHS, " $& ") : lowered);
  };
}

function flat(description: Description): Description[] {
  return [description, ...(description.normalizers ?? []).flatMap(flat)];
}
