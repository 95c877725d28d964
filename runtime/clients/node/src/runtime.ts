/** What the client uses of ONNX Runtime: onnxruntime-node and onnxruntime-web both are this. */
export interface Runtime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: SessionOptions): Promise<Session>;
  };
  readonly Tensor: new (type: "int64", data: BigInt64Array<ArrayBuffer>, dims: number[]) => Tensor;
}

export interface SessionOptions {
  readonly executionProviders: string[];
  readonly logSeverityLevel: 3;
  readonly intraOpNumThreads?: number;
}

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: { [name: string]: Tensor }): Promise<{ readonly [name: string]: Tensor }>;
}

export interface Tensor {
  readonly data: unknown;
  readonly dims: readonly number[];
}
