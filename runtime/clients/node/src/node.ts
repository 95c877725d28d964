/** Runs a bundle on onnxruntime-node. */

import "./no_telemetry.js";
import * as ort from "onnxruntime-node";

import { Classifier } from "./classifier.js";
import { ProviderError } from "./errors.js";
import { FolderSource } from "./folder_source.js";
import { loadBundle } from "./loading.js";
import type { Source } from "./source.js";

export type { ClassifyOptions, DocumentsOptions, RunOptions } from "./classifier.js";
export * from "./errors.js";
export type { Manifest } from "./manifest.js";
export type { Prediction } from "./prediction.js";
export type { Entry, Source } from "./source.js";
export type { Text, TextPair } from "./texts.js";

/** How a bundle is loaded. */
export interface LoadOptions {
  /** How many threads one operator may use; ONNX Runtime's choice where it is left out. */
  readonly threads?: number;
  /** `sha256:…` of the bundle's manifest, as `clampdown inspect` prints it; any other is refused. */
  readonly expectedDigest?: string;
}

/** A loaded bundle on the CPU; `load` makes one. */
export class DefendedClassifier extends Classifier {
  /**
   * Verifies every file of a bundle and loads it.
   *
   * @param place the bundle's folder, or another place that holds one.
   * @throws {BundleError} the bundle is damaged, incomplete or changed.
   * @throws {ProviderError} `threads` is below 1.
   */
  static async load(
    place: string | Source,
    { threads, expectedDigest }: LoadOptions = {},
  ): Promise<DefendedClassifier> {
    if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1)) {
      throw new ProviderError(
        "threads",
        String(threads),
        "at least 1",
        "Pass more, or leave it out.",
      );
    }
    const source = typeof place === "string" ? new FolderSource(place) : place;
    return new DefendedClassifier(
      await loadBundle(
        source,
        ort,
        {
          executionProviders: ["cpu"],
          ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
        },
        expectedDigest,
      ),
    );
  }
}
