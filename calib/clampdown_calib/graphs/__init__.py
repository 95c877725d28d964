"""A model as an ONNX graph: traced or read, lowered, run with its layers as further outputs."""
