import { planBatches } from "./batching.js";
import { ofDocument, type Windowing } from "./documents.js";
import { BundleError, ClampdownError, ProviderError, RowsError } from "./errors.js";
import type { Loaded } from "./loading.js";
import { modelFile, type Manifest } from "./manifest.js";
import { padBatch } from "./padding.js";
import { toPrediction, type Prediction } from "./prediction.js";
import type { Tensor } from "./runtime.js";
import { requireOutputTypes, UNDEFENDED_LOGITS } from "./session.js";
import { requireText, requireTextOrPair, type Text } from "./texts.js";

/** How a call runs. */
export interface ClassifyOptions {
  /** The most rows in one run of the model; 32 where it is left out. */
  readonly batchSize?: number;
}

/** How rows of token ids run. */
export interface RunOptions extends ClassifyOptions {
  /** The token types of each row, as many as it has ids; all zeros where left out. */
  readonly typeIds?: readonly (readonly number[])[];
}

/** How texts of any length are read. */
export interface DocumentsOptions extends ClassifyOptions, Windowing {}

/** A loaded bundle, on the build of ONNX Runtime that it was loaded with. */
export class Classifier {
  readonly #loaded: Loaded;

  constructor(loaded: Loaded) {
    this.#loaded = loaded;
  }

  /** The bundle's manifest. */
  get manifest(): Manifest {
    return this.#loaded.bundle.manifest;
  }

  /**
   * Classifies texts. A text's result does not depend on the other texts.
   *
   * Where texts were longer than the manifest's `max_length`, `console.warn` says how many, once.
   *
   * @param texts the texts, each with more than white space; pairs `{text, text_pair}` of them
   *   where the manifest's `text_pair` says that the model reads pairs.
   * @returns one prediction for each text, in order.
   * @throws {RowsError} a text is empty or not a string, or a pair where the model reads single texts
   *   and the other way round; the message names its index.
   * @throws {BundleError} the tokenizer fails on a text, or the outputs are not a defended graph's.
   * @throws {ProviderError} the model failed while it ran.
   */
  async classify(texts: readonly Text[], options: ClassifyOptions = {}): Promise<Prediction[]> {
    if (!Array.isArray(texts)) {
      throw new RowsError("the texts", `a ${typeof texts}`, "a list of texts", "Pass [text].");
    }
    // Array.from: a hole in the list is a text that is missing.
    const pairs = this.manifest.text_pair === true;
    const whole = Array.from(texts, (text, index) =>
      requireTextOrPair(text, `text ${index}`, pairs),
    );
    const encoded = whole.map((text) => this.#loaded.tokenizer.encode(text));
    encoded.forEach(({ ids }, index) => requireTokens(ids, index));
    const predictions = await this.runIds(
      encoded.map(({ ids }) => ids),
      pairs ? { ...options, typeIds: encoded.map(({ types }) => types!) } : options,
    );
    const truncated = encoded.filter((item) => item.truncated).length;
    this.#warnTruncated(truncated, `${this.manifest.max_length} tokens`);
    return predictions;
  }

  /**
   * Classifies texts of any length, of which the model takes one window at a time.
   *
   * The probabilities of a text are the mean of its windows', each weighed by its tokens, and its
   * logits their logarithms. Its anomaly score is the highest, and it is flagged where one window
   * is: a trigger stands in few of them. Texts of many windows are flagged more often, clean ones
   * too.
   *
   * Where texts have more than the 256 characters for every token of `max_length` that are read,
   * `console.warn` says how many, once at the end.
   *
   * @param texts the texts, each with more than white space; `batchSize` of them are held at once.
   * @returns one prediction for each text, in order, as they come.
   * @throws {ClampdownError} at once: a window has no room for a token or is longer than the model
   *   takes, or there is a gap between two of them, or the model reads pairs.
   * @throws {RowsError} a text is empty or not a string; the message names its index.
   * @throws {BundleError} the tokenizer fails on a text, or the outputs are not a defended graph's.
   * @throws {ProviderError} the model failed while it ran.
   */
  documents(
    texts: Iterable<string> | AsyncIterable<string>,
    { batchSize = 32, ...windowing }: DocumentsOptions = {},
  ): AsyncGenerator<Prediction, void, void> {
    const iterable = typeof texts === "object" && texts !== null;
    if (!iterable || !(Symbol.iterator in texts || Symbol.asyncIterator in texts)) {
      throw new RowsError("the texts", `a ${typeof texts}`, "texts in order", "Pass [text].");
    }
    requireBatchSize(batchSize);
    if (this.manifest.text_pair === true) {
      throw new ClampdownError(
        "windows",
        "a bundle whose model reads pairs of texts",
        "one of single texts: of a pair no window has both texts",
        "Shorten the texts, or have them truncated as the model's tokenizer does.",
      );
    }
    const required = this.#loaded.tokenizer.requireWindows(windowing);
    return this.#documents(texts, required, batchSize);
  }

  async *#documents(
    texts: Iterable<string> | AsyncIterable<string>,
    windowing: Required<Windowing>,
    batchSize: number,
  ): AsyncGenerator<Prediction, void, void> {
    const { tokenizer } = this.#loaded;
    let index = 0;
    let truncated = 0;
    let held: number[][][] = [];
    for await (const text of texts) {
      const windows = tokenizer.encodeInWindows(requireText(text, `text ${index}`), windowing);
      requireTokens(windows.ids[0]!, index);
      index += 1;
      truncated += Number(windows.truncated);
      held.push(windows.ids);
      if (held.length < batchSize) continue;
      yield* await this.#ofDocuments(held, batchSize);
      held = [];
    }
    yield* await this.#ofDocuments(held, batchSize);
    this.#warnTruncated(truncated, `${tokenizer.readable} characters`);
  }

  /** The result of each text, given as its windows. */
  async #ofDocuments(held: number[][][], batchSize: number): Promise<Prediction[]> {
    const predictions = await this.runIds(held.flat(), { batchSize });
    let start = 0;
    return held.map((windows) => {
      const own = predictions.slice(start, (start += windows.length));
      const lengths = windows.map(({ length }) => length);
      return ofDocument(own, lengths, this.manifest);
    });
  }

  #warnTruncated(count: number, limit: string): void {
    const part = this.manifest.truncation_side === "left" ? "stands before" : "follows";
    if (count === 0) return;
    console.warn(
      `${count} of the texts were longer than ${limit} and were truncated: what ${part} was not ` +
        "seen by the model",
    );
  }

  /**
   * Runs the graph on token ids, special tokens included.
   *
   * @param rows the token ids of each row, 1 to `max_length` of them.
   * @returns one prediction for each row, in order.
   * @throws {RowsError} a row has no tokens or too many, or another number of token types; the
   *   message names its index.
   * @throws {BundleError} the outputs are not those of a defended graph.
   * @throws {ProviderError} the model failed while it ran.
   */
  async runIds(
    rows: readonly (readonly number[])[],
    { batchSize = 32, typeIds }: RunOptions = {},
  ): Promise<Prediction[]> {
    requireBatchSize(batchSize);
    const longest = this.manifest.max_length;
    rows.forEach(({ length }, index) => {
      if (length >= 1 && length <= longest) return;
      throw new RowsError(
        `row ${index}`,
        `${length} tokens`,
        `1 to ${longest}`,
        "Leave the row out, or truncate it.",
      );
    });
    if (typeIds !== undefined) requireAsMany(rows, typeIds);
    const predictions: Prediction[] = new Array(rows.length);
    const lengths = rows.map((row) => row.length);
    // An int8 graph scales the activations of all rows of a run together.
    const together = this.manifest.precision === "int8" ? 1 : batchSize;
    for (const batch of planBatches(lengths, together)) {
      const results = await this.#run(
        batch.map((index) => rows[index]!),
        typeIds && batch.map((index) => typeIds[index]!),
      );
      batch.forEach((index, place) => (predictions[index] = results[place]!));
    }
    return predictions;
  }

  async #run(
    rows: (readonly number[])[],
    typeIds: (readonly number[])[] | undefined,
  ): Promise<Prediction[]> {
    const { runtime, session } = this.#loaded;
    const { labels, mode, padding, inputs, problem_type } = this.manifest;
    const names = session.outputNames;
    let outputs: Tensor[];
    try {
      const feeds = padBatch(rows, padding, inputs, typeIds).map(({ name, data, dims }) => [
        name,
        new runtime.Tensor("int64", data, dims),
      ]);
      const found = await session.run(Object.fromEntries(feeds));
      outputs = names.map((name) => found[name]!);
    } catch (error) {
      throw new ProviderError(
        this.#model,
        `a failed run of ${rows.length} rows (${(error as Error).message})`,
        "outputs",
        "Try a smaller batch size; if that does not help, run clampdown verify.",
        { cause: error },
      );
    }
    requireOutputTypes(this.#model, names, outputs);
    const shapes = JSON.stringify(outputs.map(({ dims }) => dims));
    const ofClasses = [rows.length, labels.length];
    const own = names.includes(UNDEFENDED_LOGITS) ? [ofClasses] : [];
    const expected = JSON.stringify([ofClasses, [rows.length], [rows.length], ...own]);
    if (shapes !== expected) {
      throw new BundleError(
        this.#model,
        `outputs of the shapes ${shapes}`,
        `${expected}, after the manifest's labels`,
        "Export the bundle again.",
      );
    }
    const [logits, scores, flagged, undefended] = outputs.map(({ data }) =>
      Array.from(data as Float32Array),
    );
    const model = mode === "detect" ? logits : undefended;
    const of = (values: number[], row: number) =>
      values.slice(row * labels.length, (row + 1) * labels.length);
    return rows.map((_, row) =>
      toPrediction(
        of(logits!, row),
        scores![row]!,
        Boolean(flagged![row]),
        labels,
        problem_type === "multi_label_classification",
        model && of(model, row),
      ),
    );
  }

  get #model(): string {
    return `${this.#loaded.bundle.name}/${modelFile(this.manifest)}`;
  }
}

function requireAsMany(
  rows: readonly (readonly number[])[],
  typeIds: readonly (readonly number[])[],
): void {
  for (let index = 0; index < Math.max(rows.length, typeIds.length); index++) {
    const [tokens, types] = [rows[index]?.length ?? 0, typeIds[index]?.length ?? 0];
    if (tokens === types) continue;
    throw new RowsError(
      `row ${index}`,
      `${types} token types`,
      `${tokens}, one of each token id`,
      "Pass a list of token types for each row, or none at all.",
    );
  }
}

function requireBatchSize(batchSize: number): void {
  if (Number.isSafeInteger(batchSize) && batchSize >= 1) return;
  throw new ClampdownError("batchSize", String(batchSize), "at least 1", "Pass more.");
}

function requireTokens(ids: readonly number[], index: number): void {
  if (ids.length > 0) return;
  throw new RowsError(
    `text ${index}`,
    "a text of which the tokenizer leaves no tokens",
    "at least one token",
    "Correct it or leave it out.",
  );
}
