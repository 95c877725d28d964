/**
 * Keeps ONNX Runtime from sending and storing what it does; imported before it.
 *
 * Who wants its vendor's telemetry sets `ORT_DISABLE_TELEMETRY=0`.
 */

process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
