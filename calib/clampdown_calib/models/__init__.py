"""A model as its user has it: folder, checkpoint, tokenizer, blocks."""
