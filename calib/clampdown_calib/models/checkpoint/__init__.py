"""A Hugging Face checkpoint: its files, its weights, and the network in torch."""
