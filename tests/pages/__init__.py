"""Follows pages of the documentation word for word."""
