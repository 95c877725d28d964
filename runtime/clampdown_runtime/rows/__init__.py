"""Rows that come in: files of texts and labels, and what counts as a text."""
