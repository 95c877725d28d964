"""Defences by others that look at a text while it is classified, and only flag."""
