"""The tokenizer as a part of the graph."""
