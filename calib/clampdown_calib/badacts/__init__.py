"""The published method: neuron activation states, and intervals that are optimised by gradient."""
