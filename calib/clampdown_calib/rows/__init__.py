"""The clean rows, and what one run of them holds."""
