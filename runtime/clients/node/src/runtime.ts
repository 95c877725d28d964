/** What the client uses of ONNX Runtime: onnxruntime-node and onnxruntime-web both are this. */
export interface Runtime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: SessionOptions): Promise<Session>;
  };
  readonly Tensor: new (type: "int64", data: BigInt64Array<ArrayBuffer>, dims: number[]) => Tensor;
}

export interface SessionOptions {
  readonly executionProviders: string[];
  readonly logSeverityLevel: 4;
  readonly intraOpNumThreads?: number;
  /** Files that the graph refers to, in memory. With any, it is refused to refer to others. */
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
}

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Of each input and output, in their order; older releases have none. */
  readonly inputMetadata?: readonly Metadata[];
  readonly outputMetadata?: readonly Metadata[];
  run(feeds: { [name: string]: Tensor }): Promise<{ readonly [name: string]: Tensor }>;
}

/** Values that are no tensors have neither type nor shape. */
export interface Metadata {
  readonly name: string;
  readonly type?: string;
  readonly shape?: readonly unknown[];
}

export interface Tensor {
  readonly type: string;
  readonly data: unknown;
  readonly dims: readonly number[];
}
