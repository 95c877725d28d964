"""ONNX classifiers that somebody else exported: read, checked, and their layers found."""
