"""Sessions of ONNX Runtime: providers, plain runs, and runs in fixed places of a device."""
