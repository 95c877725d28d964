"""Accuracy, latency and memory of a bundle beside its undefended graph."""
