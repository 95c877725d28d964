import type { Tokenizer } from "@huggingface/tokenizers";

/** Characters and tokens that the steps may make of one; Unicode's own forms make up to 18. */
const GROWTH = 64;
/** And beside those, since what is put before a text may be longer than the text. */
const MORE = 2 ** 20;

type Call<Input, Output> = (input: Input, ...more: unknown[]) => Output;

/** A step of a tokenizer, of one of the three kinds, or a sequence of steps. */
interface Step {
  readonly normalizers?: readonly (Step | null)[];
  readonly tokenizers?: readonly (Step | null)[];
  readonly processors?: readonly (Step | null)[];
  normalize?: Call<string, string>;
  pre_tokenize_text?: Call<string, string[]>;
  post_process?: Call<string[], { tokens: string[] }>;
}

/** What `tokenizer.json` has, as far as it is looked at here. */
interface Description {
  readonly type?: unknown;
  readonly length?: unknown;
  readonly pretokenizers?: readonly (Description | null)[];
}

/**
 * Refuses what the constructor of a tokenizer, or its splitter, would never come to an end with.
 *
 * @param description what `tokenizer.json` holds.
 */
export function requireEnds(description: object): void {
  const { added_tokens, model, pre_tokenizer } = description as {
    added_tokens: readonly { content?: unknown }[];
    model: { type?: unknown; vocab?: unknown };
    pre_tokenizer: Description | null;
  };
  if (added_tokens.some(({ content }) => typeof content !== "string")) {
    throw new Error("an added token is no text");
  }
  if (model.type === "Unigram" && !Array.isArray(model.vocab)) {
    throw new Error("the vocabulary of Unigram is no list");
  }
  requireSteps(pre_tokenizer);
}

function requireSteps(splitter: Description | null | undefined): void {
  const { type, length, pretokenizers } = splitter ?? {};
  if (type === "FixedLength" && !(Number.isSafeInteger(length) && Number(length) >= 1)) {
    throw new Error(`it splits into pieces of the length ${JSON.stringify(length)}`);
  }
  pretokenizers?.forEach(requireSteps);
}

/** Keeps a tokenizer from filling the memory, when its steps multiply a text or its tokens. */
export class TokenizerBounds {
  #left = 0;

  /** Changes the steps of `tokenizer`, which fail from then on where they make too much. */
  constructor(tokenizer: Tokenizer) {
    for (const step of [tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.post_processor]) {
      this.#bind(step as Step | null);
    }
  }

  /** Allows what the next text may become. */
  start(text: string): void {
    this.#left = GROWTH * text.length + MORE;
  }

  #bind(step: Step | null): void {
    const parts = step?.normalizers ?? step?.tokenizers ?? step?.processors;
    parts?.forEach((part) => this.#bind(part));
    // What a sequence makes, its parts have made.
    if (step === null || parts !== undefined) return;
    const { normalize, pre_tokenize_text, post_process } = step;
    if (normalize) step.normalize = this.#counted(step, normalize, (text) => text.length);
    if (pre_tokenize_text) {
      step.pre_tokenize_text = this.#counted(step, pre_tokenize_text, (pieces) =>
        pieces.reduce((total, piece) => total + piece.length, 0),
      );
    }
    if (post_process) {
      step.post_process = this.#counted(step, post_process, ({ tokens }) => tokens.length);
    }
  }

  #counted<Input extends { length: number }, Output>(
    step: Step,
    call: Call<Input, Output>,
    sizeOf: (output: Output) => number,
  ): Call<Input, Output> {
    return (input, ...more) => {
      const output = call.call(step, input, ...more);
      this.#left -= Math.max(0, sizeOf(output) - input.length);
      if (this.#left < 0) throw new Error("its steps make too much of a text");
      return output;
    };
  }
}
