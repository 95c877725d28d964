"""Adapters to other packages that run batches, serve or count: each has an extra of its own."""
