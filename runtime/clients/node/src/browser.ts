/** Runs a bundle on onnxruntime-web, in WebAssembly. */

import * as ort from "onnxruntime-web/wasm";

import { Classifier } from "./classifier.js";
import { loadBundle } from "./loading.js";
import type { Source } from "./source.js";
import { UrlSource } from "./url_source.js";

export type { ClassifyOptions, DocumentsOptions, RunOptions } from "./classifier.js";
export * from "./errors.js";
export type { Manifest } from "./manifest.js";
export type { Prediction } from "./prediction.js";
export type { Entry, Source } from "./source.js";
export type { Text, TextPair } from "./texts.js";

/** How a bundle is loaded. */
export interface LoadOptions {
  /** `sha256:…` of the bundle's manifest, as `clampdown inspect` prints it; any other is refused. */
  readonly expectedDigest?: string;
}

/** A loaded bundle in the page; `load` makes one. */
export class DefendedClassifier extends Classifier {
  /**
   * Fetches the files of a bundle that are needed, verifies them and loads them.
   *
   * @param place the address below which the bundle's files are, or another place that holds one.
   * @param options what has to be known of the bundle.
   * @throws {BundleError} the bundle is damaged, incomplete or changed.
   * @throws {ProviderError} the page's address is not secure, so that it offers no SHA-256.
   */
  static async load(
    place: string | URL | Source,
    { expectedDigest }: LoadOptions = {},
  ): Promise<DefendedClassifier> {
    const source = typeof place === "string" || place instanceof URL ? new UrlSource(place) : place;
    return new DefendedClassifier(
      await loadBundle(source, ort, { executionProviders: ["wasm"] }, expectedDigest),
    );
  }
}
