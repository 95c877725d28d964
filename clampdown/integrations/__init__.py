"""Adapters to other packages, to run batches, to serve and to count: each has an extra of its own."""
